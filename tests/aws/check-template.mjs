// Checks CloudFormation templates against the current resource schema, without an AWS account:
//
//	node check-template.mjs TEMPLATE.yaml...
//
// Types, property names, required properties, values where a type is plain; Ref, GetAtt, Sub, conditions, exports of
// the other templates; and of policies, that no action has a wildcard and that each `Resource: "*"` has a comment
// that gives the reason. Prints a line for each fault; exit status 1 if there are some. The schema is the npm package
// @aws-cdk/aws-service-spec.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const require = createRequire(path.join(process.env.NODE_DIRECTORY ?? process.cwd(), 'x.js'));
const { loadAwsServiceSpecSync } = require('@aws-cdk/aws-service-spec');
const yaml = require('yaml');
const spec = loadAwsServiceSpecSync();

const PSEUDO = ['AccountId', 'NoValue', 'NotificationARNs', 'Partition', 'Region', 'StackId', 'StackName', 'URLSuffix']
	.map((name) => `AWS::${name}`);
const RESOURCE_KEYS = ['Type', 'Properties', 'DependsOn', 'Condition', 'DeletionPolicy', 'UpdateReplacePolicy', 'Metadata',
	'CreationPolicy', 'UpdatePolicy'];
const SECTIONS = ['AWSTemplateFormatVersion', 'Description', 'Parameters', 'Conditions', 'Resources', 'Outputs', 'Metadata',
	'Mappings', 'Rules'];
const FUNCTIONS = ['Base64', 'Cidr', 'FindInMap', 'GetAtt', 'GetAZs', 'If', 'ImportValue', 'Join', 'Select', 'Split', 'Sub',
	'And', 'Equals', 'Not', 'Or'];

let faults = 0;

function fault(file, where, text) {
	console.log(`${file}: ${where}: ${text}`);
	faults++;
}

// "!Ref x" is {"Ref": "x"}, "!GetAtt a.b" is {"Fn::GetAtt": ["a", "b"]}, "!Sub x" is {"Fn::Sub": "x"}.
function customTags() {
	const tags = [];
	for (const name of ['Ref', 'Condition', ...FUNCTIONS]) {
		const key = name === 'Ref' || name === 'Condition' ? name : `Fn::${name}`;
		tags.push({ tag: `!${name}`, resolve: (text) => ({ [key]: name === 'GetAtt' ? split(text) : text }) });
		for (const collection of ['seq', 'map'])
			tags.push({ tag: `!${name}`, collection, resolve: (node) => wrap(key, node) });
	}
	return tags;
}

function split(text) {
	const dot = text.indexOf('.');
	return dot < 0 ? [text] : [text.slice(0, dot), text.slice(dot + 1)];
}

function wrap(key, node) {
	const map = new yaml.YAMLMap();
	map.set(key, node);
	return map;
}

function intrinsic(value) {
	if (typeof value !== 'object' || value === null || Array.isArray(value))
		return null;
	const keys = Object.keys(value);
	return keys.length === 1 && (keys[0] === 'Ref' || keys[0].startsWith('Fn::')) ? keys[0] : null;
}

class Template {
	constructor(file, exports) {
		this.file = file;
		this.exports = exports;
		this.used = new Set();
		this.document = yaml.parseDocument(fs.readFileSync(file, 'utf8'), { customTags: customTags() });
		for (const error of [...this.document.errors, ...this.document.warnings])
			fault(file, 'syntax', error.message);
		this.body = this.document.toJS() ?? {};
		this.parameters = this.body.Parameters ?? {};
		this.resources = this.body.Resources ?? {};
		this.conditions = this.body.Conditions ?? {};
	}

	fault(where, text) {
		fault(this.file, where, text);
	}

	check() {
		for (const section of Object.keys(this.body))
			if (!SECTIONS.includes(section))
				this.fault(section, 'no such section');
		for (const [name, condition] of Object.entries(this.conditions))
			this.walk(condition, `Conditions.${name}`);
		for (const [name, resource] of Object.entries(this.resources))
			this.checkResource(name, resource);
		for (const [name, output] of Object.entries(this.body.Outputs ?? {})) {
			if (!/^[A-Za-z0-9]+$/.test(name))
				this.fault(`Outputs.${name}`, 'letters and digits only');
			this.walk(output, `Outputs.${name}`);
		}
		for (const name of Object.keys(this.parameters))
			if (!this.used.has(name))
				this.fault(`Parameters.${name}`, 'is not used');
		this.checkWildcards();
	}

	checkResource(name, resource) {
		const where = `Resources.${name}`;
		const type = spec.lookup('resource', 'cloudFormationType', 'equals', resource.Type)[0];
		for (const key of Object.keys(resource))
			if (!RESOURCE_KEYS.includes(key))
				this.fault(where, `${key}: no such attribute of a resource`);
		for (const other of [resource.DependsOn ?? []].flat())
			if (!(other in this.resources))
				this.fault(where, `DependsOn ${other}, which is no resource`);
		this.checkCondition(resource.Condition, where);
		this.walk(resource.Properties ?? {}, where);
		if (!type)
			this.fault(where, `${resource.Type}: no such type`);
		else
			this.checkProperties(resource.Properties ?? {}, type.properties, where);
		this.findPolicies(resource.Properties ?? {}, where);
	}

	checkCondition(name, where) {
		if (name !== undefined && !(name in this.conditions))
			this.fault(where, `${name}: no such condition`);
	}

	checkProperties(value, properties, where) {
		for (const name of Object.keys(value)) {
			if (name in properties)
				this.checkType(value[name], properties[name].type, `${where}.${name}`);
			else
				this.fault(`${where}.${name}`, 'no such property');
		}
		for (const [name, property] of Object.entries(properties))
			if (property.required && !(name in value))
				this.fault(`${where}.${name}`, 'is missing');
	}

	checkType(value, type, where) {
		const faultsBefore = faults;
		const kind = intrinsic(value);
		if (kind === 'Fn::If') {
			this.checkType(value[kind][1], type, where);
			this.checkType(value[kind][2], type, where);
			return;
		}
		if (kind)
			return;
		switch (type.type) {
		case 'string': case 'date-time':
			if (typeof value !== 'string')
				this.fault(where, `a string is needed, not ${JSON.stringify(value)}`);
			return;
		case 'integer': case 'number':
			if (typeof value !== 'number' && !/^-?[0-9.]+$/.test(value))
				this.fault(where, `a number is needed, not ${JSON.stringify(value)}`);
			return;
		case 'boolean':
			if (typeof value !== 'boolean' && value !== 'true' && value !== 'false')
				this.fault(where, `true or false is needed, not ${JSON.stringify(value)}`);
			return;
		case 'array':
			if (!Array.isArray(value))
				this.fault(where, 'a list is needed');
			else
				value.forEach((item, i) => this.checkType(item, type.element, `${where}[${i}]`));
			return;
		case 'map':
			if (typeof value !== 'object' || Array.isArray(value))
				this.fault(where, 'a map is needed');
			else
				for (const [key, item] of Object.entries(value))
					this.checkType(item, type.element, `${where}.${key}`);
			return;
		case 'tag':
			if (typeof value?.Key !== 'string' || value.Value === undefined)
				this.fault(where, 'a tag has a Key and a Value');
			return;
		case 'ref':
			if (typeof value !== 'object' || value === null || Array.isArray(value))
				this.fault(where, 'a map of properties is needed');
			else
				this.checkProperties(value, spec.get('typeDefinition', type.reference.$ref).properties, where);
			return;
		case 'union':
			this.checkUnion(value, type.types, where, faultsBefore);
			return;
		case 'json': case 'null':
			return;
		default:
			this.fault(where, `the schema's type ${type.type} is not known here`);
		}
	}

	// One of the types has to fit; which one was meant is not known, so the first one's faults are told.
	checkUnion(value, types, where, before) {
		const print = console.log;
		const outcomes = types.map((type) => {
			const lines = [];
			console.log = (line) => lines.push(line);
			this.checkType(value, type, where);
			console.log = print;
			faults = before;
			return lines;
		});
		if (outcomes.some((lines) => lines.length === 0))
			return;
		outcomes[0].forEach((line) => print(line));
		faults = before + outcomes[0].length;
	}

	// References, wherever they are.
	walk(value, where) {
		if (typeof value !== 'object' || value === null)
			return;
		const kind = intrinsic(value);
		if (kind === 'Ref')
			this.checkReference(value.Ref, where);
		else if (kind === 'Fn::GetAtt')
			this.checkAttribute(value[kind][0], value[kind][1], where);
		else if (kind === 'Fn::Sub')
			this.checkSubstitution(value[kind], where);
		else if (kind === 'Fn::If')
			this.checkCondition(value[kind][0], where);
		else if (kind === 'Fn::ImportValue')
			this.checkImport(value[kind], where);
		else if (kind && !FUNCTIONS.includes(kind.slice(4)))
			this.fault(where, `${kind}: no such function`);
		for (const [key, item] of Object.entries(value))
			this.walk(item, kind ? where : `${where}.${key}`);
	}

	checkReference(name, where) {
		this.used.add(name);
		if (!(name in this.parameters) && !(name in this.resources) && !PSEUDO.includes(name))
			this.fault(where, `Ref ${name}: no parameter, resource or pseudo parameter`);
	}

	checkAttribute(name, attribute, where) {
		const resource = this.resources[name];
		const type = resource && spec.lookup('resource', 'cloudFormationType', 'equals', resource.Type)[0];
		if (!resource)
			this.fault(where, `GetAtt ${name}: no such resource`);
		else if (type && !(attribute in type.attributes) && !(attribute in type.properties))
			this.fault(where, `GetAtt ${name}.${attribute}: ${resource.Type} has no such attribute`);
	}

	checkSubstitution(value, where) {
		const [text, variables] = Array.isArray(value) ? value : [value, {}];
		if (typeof text !== 'string' || typeof variables !== 'object')
			return this.fault(where, 'Sub needs a text, and a map if there are variables');
		for (const [, name] of text.matchAll(/\$\{([^!}][^}]*)\}/g)) {
			if (name in variables)
				continue;
			if (name.includes('.'))
				this.checkAttribute(...split(name), where);
			else
				this.checkReference(name, where);
		}
	}

	// "${STACK}-NAME", where another template exports "${AWS::StackName}-NAME".
	checkImport(value, where) {
		const name = value?.['Fn::Sub']?.match?.(/^\$\{[A-Za-z]+\}-([A-Za-z]+)$/)?.[1];
		if (!name || !this.exports.has(name))
			this.fault(where, `ImportValue ${JSON.stringify(value)}: no template exports it`);
	}

	findPolicies(value, where) {
		if (typeof value !== 'object' || value === null)
			return;
		for (const [key, item] of Object.entries(value)) {
			if (Array.isArray(item?.Statement))
				item.Statement.forEach((statement, i) => this.checkStatement(statement, `${where}.${key}.Statement[${i}]`));
			else
				this.findPolicies(item, `${where}.${key}`);
		}
	}

	checkStatement(statement, where) {
		const actions = [statement.Action ?? []].flat();
		if (!['Allow', 'Deny'].includes(statement.Effect))
			this.fault(where, 'Effect is Allow or Deny');
		if (actions.length === 0)
			this.fault(where, 'it has no Action');
		for (const action of actions)
			if (!/^[a-z0-9-]+:[A-Za-z]+$/.test(action))
				this.fault(where, `Action ${action}: one action is to be named, without a wildcard`);
		for (const key of Object.keys(statement))
			if (!['Sid', 'Effect', 'Principal', 'Action', 'Resource', 'Condition'].includes(key))
				this.fault(where, `${key}: not in a statement here`);
	}

	// A comment before or behind `Resource: "*"` gives the reason.
	checkWildcards() {
		yaml.visit(this.document, {
			Pair: (_, pair) => {
				if (pair.key?.value === 'Resource' && pair.value?.value === '*' &&
						!pair.key.commentBefore && !pair.value.comment && !pair.value.commentBefore)
					this.fault('Resource: "*"', 'a comment has to say why it can be no narrower');
			},
		});
	}

	exportedNames() {
		return Object.values(this.body.Outputs ?? {}).map((output) => output.Export?.Name?.['Fn::Sub'])
			.filter((name) => name).map((name) => name.replace(/^\$\{AWS::StackName\}-/, ''));
	}
}

// What one template imports, another of the same directory exports.
function exportsOf(directory) {
	const names = new Set();
	for (const sibling of fs.readdirSync(directory).filter((name) => name.endsWith('.yaml')))
		new Template(path.join(directory, sibling), names).exportedNames().forEach((name) => names.add(name));
	return names;
}

// Reading them for their exports tells faults of syntax as well, which are told again below.
const exported = new Map();
const print = console.log;
console.log = () => {};
for (const file of process.argv.slice(2))
	if (!exported.has(path.dirname(file)))
		exported.set(path.dirname(file), exportsOf(path.dirname(file)));
console.log = print;
faults = 0;
for (const file of process.argv.slice(2))
	new Template(file, exported.get(path.dirname(file))).check();
process.exit(faults > 0 ? 1 : 0);
