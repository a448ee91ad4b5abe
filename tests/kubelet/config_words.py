"""What generated configurations are made of: likely words, unlikely ones, and what may stand around a document."""

from __future__ import annotations

from tests.kubelet.real import V1

GATE = "KubeletServiceAccountTokenForCredentialProviders"
#: Names that a file can have; all of them lie in the bin dir.
PLUGINS = (
    "azure-gar-credential-provider", "acr-credential-provider", "p", "a.b", "UPPER", ".hidden", "ä", "a\\b", "-x",
    "5", "true", "...",
)  # fmt: skip
OTHER_NAMES = (".", "..", "a/b", "/a", "a b", " ", "a\tb", "a ")
CONFIG_VERSIONS = ("kubelet.config.k8s.io/v1", "kubelet.config.k8s.io/v1beta1", "kubelet.config.k8s.io/v1alpha1")
OTHER_VERSIONS = (
    "v1", "", "kubelet.config.k8s.io/v2", V1, "a/b/c", "kubelet.config.k8s.io", "/v1",
    "kubelet.config.k8s.io/__internal",
)  # fmt: skip
OTHER_KINDS = (
    "CredentialProvider", "credentialproviderconfig", "", "KubeletConfiguration", "List",
    "CredentialProviderResponse",
)  # fmt: skip
PROVIDER_VERSIONS = (V1, V1 + "beta1", V1 + "alpha1")
OTHER_PROVIDER_VERSIONS = ("", "v1", "kubelet.config.k8s.io/v1", V1 + " ", V1 + "beta2", V1.upper())
PATTERNS = (
    "*-docker.pkg.dev", "*.pkg.dev", "gcr.io", "us-docker.pkg.dev/p/", "*", "us-docker.pkg.dev:443",
    "*.azurecr.io",
)  # fmt: skip
ODD_PATTERNS = (
    "", "us-docker.pkg.dev:*", "us docker.pkg.dev", "https://us-docker.pkg.dev", "us-docker.pkg.dev/*", "[::1]",
    "[::1", "[a-z]*.dev", "a:b", "a:1:2", "a:", ":1", "::1", "[::1]:80", "[::1]80", "[fe80::1%25eth0]", "[::1%]",
    "a%20b", "%41", "%zz", "a%", "a/%zz", "a/%41", "u@a", "u:p@a", "u@@a", "@a", "a?b", "a#b", "a#%zz", "a\\b",
    "a|b", "a<b>", 'a"b', "a^b", "a`b", "a{b}", "a\tb", "a\x7fb", "ä.de", "a;b", "a,b", "a//b", "/a", "//a",
    "a/../b", "a b/c", "a/b c", "a/b\tc", "*:443", "a:\uff10", "a:99999", "a:-1", "a\u00a0b", "a'b", "a!b", "a$b",
    "a&b", "a(b)", "a=b", "a~b", "u u@a", "u%zz@a",
)  # fmt: skip
KEYS = ("azure.workload.identity/client-id", "example.com/a", "plain", "UPPER/Case", "a.b/c_d.e")
ODD_KEYS = (
    "", "/a", "a/", "a/b/c", "-a/b", "a-/b", "A_B/c", "a/-b", "a/b-", "x" * 64, "a/" + "x" * 63, "a b", "ä",
    "a..b/c", "y" * 254 + "/a", "a/\u0130", "\u212a/a",
)  # fmt: skip

#: What stands around a document in YAML, and around one in JSON.
BEFORE = (
    "---\n", "# comment\n", "\n\n", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n", "%TAG ! tag:x,2000:\n---\n",
    "%FOO bar\n---\n", "%YAML 1.1\n", "\ufeff", "\ufeff\ufeff", "--- # c\n", "---\n---\n", "...\n", "--- ",
    "---\t\n", " ", "\t", "{}\n---\n", "x: &a 1\n", "<<: {kind: x}\n", "\x00", "- a\n",
)  # fmt: skip
AFTER = (
    "---\n", "...\n", "---\ngarbage: [\n", "...\ngarbage\n", "# end", "\n\n", "---\nkind: x\n", "extra: 1\n",
    "\x00", "}\n", "\t\n", "  x: 1\n", "kind: CredentialProviderConfig\n", "<<: *x\n", "? a\n", "%YAML 1.1\n",
    "--- {}\n", "'", "\ufeff", "- x\n", "*x\n", "... # c\n", "---",
)  # fmt: skip
BEFORE_JSON = (" ", "\n", "\ufeff", "\ufeff\ufeff", "# c\n", "---\n", "\t", "\x0b", "\u00a0", "x")
AFTER_JSON = ("\n", "{}", "garbage", "\x00", "# c", "\n---\n", " ")

#: Names of files in a configuration folder: those that the kubelet reads, and those that it does not.
FILES = (
    "10-a.yaml", "20-b.yml", "30-c.json", ".hidden.yaml", ".yaml", "é.yaml", "a b.yml", "x.json.yaml", "-.json",
    "B.YAML", "readme.txt", "yaml", "d.yaml~", "d.yaml.", "json",
)  # fmt: skip
#: Names that are too long, or just not.
LONG_NAMES = ("x" * 255, "x" * 256, "é" * 127, "é" * 128, "a\0b")
