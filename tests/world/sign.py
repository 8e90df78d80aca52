"""The API's JWS envelope: general serialisation, payload unencoded (b64 false), PS512.

The signature is RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 bytes over
`protected . payload`, where payload is the text of the JSON string once it is unescaped.
"""
import base64
import json
import os
import subprocess

KID = "homebrew-1"
PSS = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_mgf1_md:sha512", "-sigopt",
       "rsa_pss_saltlen:64"]
PS512 = {"alg": "PS512", "b64": False, "crit": ["b64"]}


def openssl(*arguments, data=None):
    """Runs openssl and returns what it wrote to standard output."""
    result = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False)
    if result.returncode:
        raise SystemExit(f"openssl {arguments[0]} failed: {result.stderr.decode(errors='replace')}")
    return result.stdout


def make_key(path, bits=4096):
    """An RSA key at `path` and its public half at `path` with .pub.pem; kept if already there."""
    if not os.path.exists(path):
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", path)
        os.chmod(path, 0o600)
    public = path.replace(".pem", ".pub.pem")
    openssl("pkey", "-in", path, "-pubout", "-out", public)
    return public


def base64url(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def protected_header(header):
    """The protected header as the envelope carries it."""
    return base64url(json.dumps(header, separators=(",", ":")).encode())


def signature(payload, key, header=None, options=None):
    """One element of `signatures`. `header` and `options` are PS512's unless given."""
    protected = protected_header(PS512 if header is None else header)
    options = PSS if options is None else options
    signed = openssl("dgst", "-sha512", "-sign", key, *options,
                     data=protected.encode() + b"." + payload.encode())
    return {"protected": protected, "header": {"kid": KID}, "signature": base64url(signed)}


def envelope(payload, signatures, ascii_only=False):
    """The document: the payload is a string in it, escaped once more."""
    return json.dumps({"payload": payload, "signatures": signatures}, ensure_ascii=ascii_only)


def jws(payload, key):
    """A document as the API serves it."""
    return envelope(payload, [signature(payload, key)])


def _with(entry, **changes):
    return {**entry, **changes}


def variants(payload, key, other):
    """{name: (expected, why, text of the document)} of good, odd and forged envelopes.

    `key` is the trusted one, `other` another RSA-4096 key. Expected: accept, refuse or either.
    """
    good, wrong = signature(payload, key), signature(payload, other)
    rs256 = {"alg": "RS256", "b64": False, "crit": ["b64"]}
    foreign = _with(wrong, header={"kid": "someone-else"})
    altered = payload.replace('"bottle_checksum":"', '"bottle_checksum":"0', 1)
    plain = json.loads(envelope(payload, [good]))
    made = {
        "good": ("accept", "as the API serves it", [good]),
        "extra-first": ("accept", "another kid's signature stands first", [foreign, good]),
        "extra-last": ("accept", "another kid's signature stands last", [good, foreign]),
        "wrong-key": ("refuse", "signed with another key", [wrong]),
        "wrong-kid": ("refuse", "only another kid's signature", [_with(good, header={"kid": "x"})]),
        "no-kid": ("refuse", "a signature without a kid", [_with(good, header={})]),
        "alg-none": ("refuse", "alg none, no signature", [
            {"protected": protected_header({"alg": "none", "b64": False}), "header": {"kid": KID},
             "signature": ""}]),
        "alg-rs256": ("refuse", "alg RS256, and rightly signed that way",
                      [signature(payload, key, rs256, [])]),
        "alg-rs512-as-ps512": ("refuse", "alg PS512, signed with PKCS #1 v1.5",
                               [signature(payload, key, PS512, [])]),
        "alg-hs512": ("refuse", "alg HS512, keyed with the public key", [_hmac(payload, key)]),
        "b64-true": ("refuse", "b64 true", [
            signature(payload, key, {"alg": "PS512", "b64": True})]),
        "b64-missing": ("refuse", "no b64", [signature(payload, key, {"alg": "PS512"})]),
        "salt-20": ("refuse", "a salt of 20 bytes", [
            signature(payload, key, PS512, PSS[:-1] + ["rsa_pss_saltlen:20"])]),
        "mgf1-sha1": ("refuse", "MGF1 with SHA-1", [signature(
            payload, key, PS512, PSS[:3] + ["rsa_mgf1_md:sha1"] + PSS[4:])]),
        "kid-twice": ("refuse", "two signatures with the kid, a wrong one first", [wrong, good]),
        "no-signatures": ("refuse", "an empty list of signatures", []),
        "signature-cut": ("refuse", "half a signature",
                          [_with(good, signature=good["signature"][:340])]),
        "signature-empty": ("refuse", "an empty signature", [_with(good, signature="")]),
        "signature-not-base64": ("refuse", "a signature with characters outside base64url",
                                 [_with(good, signature="!*" + good["signature"][2:])]),
        "protected-not-base64": ("refuse", "a protected header that is not base64url",
                                 [_with(good, protected="{}" + good["protected"])]),
        "protected-altered": ("refuse", "the protected header was changed after signing",
                              [_with(good, protected=protected_header({**PS512, "x": 1}))]),
    }
    result = {name: (expected, why, envelope(payload, signatures))
              for name, (expected, why, signatures) in made.items()}
    documents = {
        "escaped": ("accept", "everything outside ASCII is escaped in the envelope",
                    envelope(payload, [good], ascii_only=True)),
        "spaced": ("accept", "the envelope is pretty-printed", json.dumps(plain, indent=2)),
        "altered": ("refuse", "a digest in the payload was changed after signing",
                    envelope(altered, [good])),
        "altered-space": ("refuse", "one space was added to the payload after signing",
                          envelope(payload + " ", [good])),
        "missing-signatures": ("refuse", "no signatures at all", json.dumps({"payload": payload})),
        "missing-payload": ("refuse", "no payload", json.dumps({"signatures": [good]})),
        "payload-object": ("refuse", "the payload is an object, not a string", json.dumps(
            {"payload": json.loads(payload), "signatures": [good]}, ensure_ascii=False)),
        "payload-duplicate": ("either", "two payloads, the first the signed one",
                              '{"payload": %s, ' % json.dumps(payload)
                              + envelope(altered, [good])[1:]),
        "signatures-object": ("refuse", "signatures is an object",
                              json.dumps({"payload": payload, "signatures": good})),
        "cut": ("refuse", "the document ends half way",
                envelope(payload, [good])[:len(payload) // 2]),
        "empty": ("refuse", "a document of no bytes", ""),
        "html": ("refuse", "a page in place of the document", "<html>Please sign in</html>\n"),
    }
    return {**result, **documents, **_signed_nonsense(key)}


def _signed_nonsense(key):
    """Rightly signed, but nothing that can be used."""
    payloads = {
        "signed-not-json": ("the payload is not JSON", "{\"formulae\": "),
        "signed-array": ("the payload is an array", "[]"),
        "signed-empty-object": ("the payload has no formulae", "{}"),
        "signed-wrong-types": ("formulae is an array", "{\"formulae\":[1,2]}"),
        "signed-deep": ("100,000 arrays within each other", "[" * 100000 + "]" * 100000),
        "signed-bad-entry": ("an entry with a version that leaves the Cellar", json.dumps(
            {"formulae": {"jq": {"stable_version": "../../x", "bottle_checksum": "0" * 64}}})),
        "signed-bad-name": ("an entry with a name that leaves the Cellar", json.dumps(
            {"formulae": {"../jq": {"stable_version": "1.0", "bottle_checksum": "0" * 64}}})),
        "signed-bad-digest": ("an entry with a digest that is none", json.dumps(
            {"formulae": {"jq": {"stable_version": "1.0", "bottle_checksum": "../" * 21 + "a"}}})),
    }
    return {name: ("refuse", why, jws(payload, key)) for name, (why, payload) in payloads.items()}


def _hmac(payload, key):
    """The classic confusion: the public key as the secret of an HMAC."""
    protected = protected_header({"alg": "HS512", "b64": False, "crit": ["b64"]})
    with open(key.replace(".pem", ".pub.pem"), "rb") as file:
        secret = file.read()
    mac = openssl("dgst", "-sha512", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}", "-binary",
                  data=protected.encode() + b"." + payload.encode())
    return {"protected": protected, "header": {"kid": KID}, "signature": base64url(mac)}
