#!/usr/bin/env python3
"""installer/aws: templates against CloudFormation's current schema, build specifications and scripts with fakes in
the place of AWS's tools, the function's handler."""

import contextlib
import ctypes.util
import glob
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from efs_machine import HOST, ID, machine
from harness import BREWFS, SRCDIR, Sandbox, World, done, enter, equal, ok, says, skip

enter()
AWS = os.path.join(SRCDIR, "installer", "aws")
TEMPLATES = sorted(glob.glob(os.path.join(AWS, "*.yaml")))
scratch = Sandbox()

# --- templates ---


def install_schema():
    """The directory with the schema and what reads it, of exact versions; None, with the reason, where npm gets none."""
    source = os.path.join(SRCDIR, "tests", "aws")
    directory = os.path.join(os.environ.get("builddir", scratch.directory), "tests", "aws", "schema")
    with open(os.path.join(source, "package-lock.json"), encoding="utf-8") as file:
        lock = file.read()
    stamp = os.path.join(directory, "stamp")
    if os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == lock:
        return directory, ""
    if not shutil.which("npm") or not shutil.which("node"):
        return None, "nodejs and npm are not installed"
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(source, name), directory)
    result = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], cwd=directory,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if result.returncode == 0:
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(lock)
        return directory, ""
    if re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT", result.stdout):
        return None, "the npm registry cannot be reached"
    ok(False, "npm installs the schema", result.stdout)
    return None, "see above"


def check(*templates):
    return subprocess.run(["node", os.path.join(SRCDIR, "tests", "aws", "check-template.mjs"), *templates],
                          env=dict(os.environ, NODE_DIRECTORY=schema), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)


def break_template(number, template, old, new):
    """A copy of the templates with that change in one; its path."""
    directory = scratch.path(f"broken-{number}")
    shutil.copytree(AWS, directory)
    path = os.path.join(directory, template)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert old in text, f"{old} is not in {template}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))
    return path


schema, reason = install_schema()
if schema:
    result = check(*TEMPLATES)
    ok(result.returncode == 0 and not result.stdout, f"{len(TEMPLATES)} templates fit the schema", result.stdout)
    broken = (
            ("a misspelt property", "efs.yaml", "      Encrypted: true", "      Encripted: true", "Encripted: no such property"),
            ("one deep inside", "codebuild.yaml", "MountPoint: /mnt/efs", "Mountpoint: /mnt/efs", "Mountpoint: no such property"),
            ("a missing property", "efs.yaml", "SubnetId: !Ref PrivateSubnetA\n      SecurityGroups", "SecurityGroups", "SubnetId: is missing"),
            ("another type of resource", "efs.yaml", "AWS::EFS::MountTarget", "AWS::EFS::MountPoint", "no such type"),
            ("a boolean that is none", "efs.yaml", "Encrypted: true", "Encrypted: encrypted", "true or false"),
            ("a number that is none", "lambda.yaml", "Timeout: 60", "Timeout: minute", "a number is needed"),
            ("a text where a list is wanted", "lambda.yaml", "Architectures: [!Ref Architecture]", "Architectures: x86_64", "a list is needed"),
            ("a reference to nothing", "efs.yaml", "VpcId: !Ref Vpc,", "VpcId: !Ref Vcp,", "Ref Vcp"),
            ("an attribute that there is not", "efs.yaml", "!GetAtt FunctionRole.Arn", "!GetAtt FunctionRole.Name", "FunctionRole.Name"),
            ("a variable of Sub that there is not", "codebuild.yaml", "${Bucket}/install.zip", "${Buckets}/install.zip", "Buckets"),
            ("an import that nobody exports", "lambda.yaml", "${EfsStack}-FunctionRoleArn", "${EfsStack}-RoleArn", "no template exports it"),
            ("a condition that there is not", "lambda.yaml", "- UsesWrapper", "- UsesWrap", "UsesWrap"),
            ("a dependency on nothing", "lambda.yaml", "DependsOn: LogsPolicy", "DependsOn: Logging", "Logging"),
            ("a parameter that nobody uses", "host.yaml", "Parameters:\n", "Parameters:\n  Spare: {Type: String}\n", "Parameters.Spare"),
            ("an action with a wildcard", "codebuild.yaml", "[s3:PutObject]", "[s3:*]", "without a wildcard"),
            ("a resource * without a reason", "efs.yaml",
             "            # Lambda checks these without a resource, and the describing ones know none (Lambda Developer Guide,\n"
             "            # \"Giving Lambda functions access to resources in an Amazon VPC\").\n", "", "a comment has to say why"),
            ("what is no YAML", "efs.yaml", "  Vpc:\n", "  Vpc: [\n", "syntax"))
    paths = [break_template(number, *change[1:4]) for number, change in enumerate(broken)]
    result = check(*paths)
    for path, (name, _, _, _, word) in zip(paths, broken):
        faults = [line for line in result.stdout.splitlines() if line.startswith(path + ":")]
        ok(result.returncode == 1 and any(word in fault for fault in faults), f"refuses {name}", f"{word}\n{result.stdout}")
else:
    skip("the templates fit CloudFormation's schema", reason)

text = {os.path.basename(path): open(path, encoding="utf-8").read() for path in TEMPLATES}
ok("NatGateway" not in "".join(text.values()) and "22" not in re.findall(r"FromPort: (\d+)", "".join(text.values())),
   "no NAT gateway, and no port for SSH")
outputs = re.findall(r"^  (\w+):$", text["efs.yaml"].partition("\nOutputs:\n")[2], re.M)
ok({"FileSystemId", "VpcId", "PublicSubnets", "PrivateSubnet", "SecurityGroupId"} <= set(outputs),
   "the outputs are named as the proof of concept's", str(outputs))
function_policy = text["efs.yaml"].partition("FunctionFileSystemPolicy:")[2].partition("FunctionNetworkPolicy:")[0]
equal(re.findall(r"elasticfilesystem:Client\w+", function_policy), ["elasticfilesystem:ClientMount"], "a function may only mount")

# --- scripts ---

SCRIPTS = sorted(glob.glob(os.path.join(AWS, "*.sh")))
if shutil.which("shellcheck"):
    result = subprocess.run(["shellcheck", *SCRIPTS], stdout=subprocess.PIPE, text=True, check=False)
    ok(result.returncode == 0, f"shellcheck finds nothing in {len(SCRIPTS)} scripts", result.stdout)
else:
    skip("shellcheck finds nothing in the scripts", "shellcheck is not installed")


def commands(name):
    """{phase: commands} of a build specification, as CodeBuild would run them; this reads the YAML that they are in."""
    phases, phase, folded = {}, None, False
    with open(os.path.join(AWS, name), encoding="utf-8") as file:
        for line in file.read().partition("\nphases:\n")[2].splitlines():
            if line and not line.startswith(" "):
                break
            stripped = line.strip()
            if re.fullmatch(r"  \w+:", line):
                phase = stripped[:-1]
            elif stripped.startswith("- "):
                folded = stripped == "- >-"
                phases.setdefault(phase, []).append("" if folded else stripped[2:])
            elif folded and stripped and not stripped.startswith("#"):
                phases[phase][-1] += (" " if phases[phase][-1] else "") + stripped
    return phases


def variables(name):
    with open(os.path.join(AWS, name), encoding="utf-8") as file:
        found = re.search(r"^  variables:\n((?:    .*\n)*)", file.read(), re.M)
    return dict(re.findall(r"^    (\w+): ([^ #\n]+)", found.group(1), re.M)) if found else {}


def build(box, name, directory, **environment):
    """Runs a build specification in a directory; ends at the first command that fails, as CodeBuild does."""
    script = "set -e\n" + "\n".join(command for phase in commands(name).values() for command in phase)
    return subprocess.run(["bash", "-c", script], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False,
                          env=dict(box.environment, **variables(name), **environment))


world = World()
box = Sandbox(world)
programs, bucket, efs = box.path("programs"), box.path("bucket"), box.path("efs")
for directory in (programs, bucket, efs):
    os.makedirs(directory)


def program(name, text):
    path = os.path.join(programs, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/bash\n" + text)
    os.chmod(path, 0o755)


# aws s3 sync, between a directory and what stands in for the bucket.
program("aws", f'''
[ "$1 $2" = "s3 sync" ] || {{ echo "aws: $*" >&2; exit 2; }}
delete= paths=()
for argument in "${{@:3}}"; do
    case $argument in --delete) delete=1 ;; --*) ;; *) paths+=("${{argument/#s3:\\/\\/the-bucket/{bucket}}}") ;; esac
done
mkdir -p "${{paths[0]}}" "${{paths[1]}}"
[ -z "$delete" ] || rm -rf "${{paths[1]:?}}"/*
cp -r "${{paths[0]}}/." "${{paths[1]}}/"
''')
program("stat", f'''case "$*" in "-f -c %T {efs}") cat {box.path("type")} ;; *) exec /usr/bin/stat "$@" ;; esac''')
os.symlink(BREWFS, os.path.join(programs, "brewfs"))
box.environment["PATH"] = programs + ":" + os.environ["PATH"]
source = box.path("source")
shutil.copytree(AWS, os.path.join(source, "installer", "aws"))
settings = {"BREWFS_BUCKET": "the-bucket", "BREWFS_TAG": "x86_64_linux", "BREWFS_TARGET_GLIBC": "2.34"}
result = build(box, "buildspec-fetch.yml", source, BREWFS_BREWFILE="installer/aws/lambda/Brewfile", **settings)
ok(result.returncode == 0 and len(os.listdir(os.path.join(bucket, "depot", "bottles"))) > 31,
   "the fetch project's commands put bottles into the bucket", says(result))
package = os.path.join(source, "install")
ok({"bin", "lib", "libexec", "Brewfile", "buildspec-install.yml"} <= set(os.listdir(package)), "and pack what installs them",
   str(os.listdir(package)))
seen = len(world.log())
result = build(box, "buildspec-fetch.yml", source, BREWFS_BREWFILE="installer/aws/lambda/Brewfile", **settings)
blobs = [entry for entry in world.log()[seen:] if "/blobs/" in entry["path"]]
ok(result.returncode == 0 and not blobs, "the next run downloads no bottle", f"{blobs}\n{says(result)}")

# Where there is EFS and nothing else: no network, no way to the world, nothing but what was packed.
away = {key: value for key, value in box.environment.items() if not key.startswith(("HOMEBREW_", "https_proxy", "SSL_", "CURL_"))}
away.update(variables("buildspec-install.yml"), **settings, CODEBUILD_EFS=efs, BREWFS_CACHE=box.path("cache-away"))
os.unlink(os.path.join(programs, "brewfs"))
os.symlink(package, box.path("build"))


def install_away():
    script = "set -e\n" + "\n".join(command for phase in commands("buildspec-install.yml").values() for command in phase)
    # CodeBuild's mount point is /mnt/efs itself; exported programs are run there.
    return subprocess.run(["unshare", "--net", "bash", "-c", script], cwd=package, env=away, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)


with open(box.path("type"), "w", encoding="ascii") as file:
    file.write("ext2/ext3\n")
result = install_away()
ok(result.returncode == 1 and os.listdir(efs) == [], "a build whose file system was not mounted ends at once", says(result))
with open(box.path("type"), "w", encoding="ascii") as file:
    file.write("nfs\n")
result = install_away()
ok(result.returncode == 0 and os.path.exists(os.path.join(efs, "brewfs", "refs", "x86_64_linux")),
   "the install project's commands need no network", says(result))
exported = os.path.join(efs, "lambda_packages")
ok(os.path.exists(os.path.join(exported, "lib", "libproj.so.25")) and os.path.exists(os.path.join(exported, "lib", "libexif.so.12")),
   "and export both libraries", str(os.listdir(efs)))
result = install_away()
ok(result.returncode == 0 and "up to date" in result.stdout, "again, there is nothing to do", says(result))

# --- a host ---

host = machine()
place = host.add_mount("efs", f"{HOST}:/")
host.environment.update({key: value for key, value in world.environment.items()})
host.environment["PATH"] = host.path("bin") + ":" + os.environ["PATH"]
os.symlink(BREWFS, host.path("bin", "brewfs"))
host.program("mount.efs", 'echo "Version: 2.0.4"')
host.program("sudo", 'exec "$@"')
result = subprocess.run([os.path.join(AWS, "install-on-efs.sh"), ID], env=host.environment, cwd=host.directory, text=True,
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300, check=False)
ok(result.returncode == 0 and os.path.exists(place + "/brewfs/store.json") and host.calls() == [],
   "install-on-efs.sh installs where the file system is mounted", says(result))
ok(os.path.exists(place + "/lambda_packages/lib/libproj.so.25") and "/mnt/efs/lambda_packages" in result.stdout,
   "and exports beside the store", says(result))
result = subprocess.run([os.path.join(AWS, "install-on-efs.sh")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        check=False)
ok(result.returncode == 2 and "fs-ID" in result.stdout, "without a file system it tells how it is used", says(result))

# --- the function ---

sys.path.insert(0, os.path.join(AWS, "lambda"))
import handler  # noqa: E402

os.environ["LAMBDA_PACKAGES_PATH"] = scratch.path("none")
handler.LIBRARIES = ("no-such-library", "nor-this")
try:
    with contextlib.redirect_stdout(io.StringIO()):
        handler.my_handler({}, None)
    ok(False, "the handler fails where no library is found")
except RuntimeError as error:
    ok("there is no libno-such-library" in str(error), "the handler fails where no library is found, and says so", str(error))
packages = scratch.path("packages", "lib")
os.makedirs(packages)
source = scratch.path("library.c")
with open(source, "w", encoding="ascii") as file:
    file.write('struct info { int a, b, c; const char *release, *version, *path; const char *const *paths; unsigned long count; };\n'
               'struct info proj_info(void) { struct info i = {9, 8, 1, "Rel. 9.8.1", "9.8.1", "", 0, 0}; return i; }\n'
               'const char *exif_tag_get_name(int tag) { return tag == 0x110 ? "Model" : 0; }\n')
if shutil.which("gcc") and not ctypes.util.find_library("proj"):
    for name in ("libproj.so.25", "libexif.so.12.3.4"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", os.path.join(packages, name), source], check=True)
    code = f"import sys; sys.path.insert(0, {os.path.join(AWS, 'lambda')!r}); import handler, json; print(json.dumps(handler.my_handler({{}}, None)))"
    result = subprocess.run([sys.executable, "-c", code], env=dict(os.environ, LAMBDA_PACKAGES_PATH=scratch.path("packages")),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    answer = json.loads(result.stdout.splitlines()[-1]) if result.returncode == 0 else {}
    equal([(answer.get(name, {}).get("found"), answer.get(name, {}).get("version")) for name in ("libproj", "libexif")],
          [(True, "9.8.1"), (True, "12.3.4")], "it calls both as the real ones are called, and returns their versions")
else:
    skip("it calls both as the real ones are called", "there is no compiler, or a real libproj")
done()
