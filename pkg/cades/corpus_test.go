package cades

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/trialpki"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// corpusPDFs is how many PDFs of a corpus are signed. CAdES does not look into them.
const corpusPDFs = 10

// corpusFiles returns XML documents and PDFs: those of this repository, and those of the folder
// that SIGNSTASH_CORPUS names.
func corpusFiles(t *testing.T) []string {
	t.Helper()
	glob := func(limit int, parts ...string) []string {
		list := must(filepath.Glob(filepath.Join(parts...)))
		if len(list) == 0 {
			t.Fatalf("%s has no files", filepath.Join(parts...))
		}
		return list[:min(limit, len(list))]
	}
	more := os.Getenv("SIGNSTASH_CORPUS")
	if more == "" {
		return append(glob(3, "../xmlc14n/testdata/edges/*.xml"), glob(1, "../pades/testdata/corpus/*.pdf")...)
	}
	const all = 1000
	return slices.Concat(glob(all, more, "xml", "*.[xX][mM][lL]"), glob(all, more, "xml-edges", "*.[xX][mM][lL]"),
		glob(corpusPDFs, more, "pdf", "*.pdf"))
}

// TestCorpus signs every file with both packagings at every level, with the algorithms in turn.
// Every file can be signed.
func TestCorpus(t *testing.T) {
	names := slices.Sorted(maps.Keys(pkis()))
	signatures := 0
	for _, path := range corpusFiles(t) {
		original := must(os.ReadFile(path))
		for _, packaging := range []signing.Packaging{signing.Enveloping, signing.Detached} {
			for _, level := range levels {
				p := pkis()[names[signatures%len(names)]]
				signatures++
				w := want{level: level, packaging: packaging, pki: p}
				signed := w.mustSign(t, original)
				detached := packaging == signing.Detached
				name := filepath.Base(path) + " " + string(packaging) + " " + string(level)
				r := verify(t, signed, original, detached)
				if r.Verdict() != Valid || r.Signatures[0].Level != level {
					t.Errorf("%s: %s", name, describe(r))
				}
				askScript(t, p, name, signed, original, level, detached)
			}
		}
	}
	t.Logf("%d signatures", signatures)
}

// bouncyCastle are properties of the JDK. They add a provider to the twelve of the JDK, because
// only this one knows RSASSA-PSS by the name that the script's Bouncy Castle asks for.
const bouncyCastle = "security.provider.13=org.bouncycastle.jce.provider.BouncyCastleProvider\n"

// askScript has the script verify-cades in the folder that SIGNSTASH_VERIFY names judge a file. Its
// judges are Bouncy Castle and OpenSSL.
func askScript(
	t *testing.T, p *trialpki.PKI, name string, signed, original []byte, level signing.Level, detached bool,
) {
	t.Helper()
	folder := os.Getenv("SIGNSTASH_VERIFY")
	if folder == "" {
		return
	}
	paths := files(t, original, signed, p.RootPEM(), []byte(bouncyCastle))
	args := []string{"--level", string(level[len("B-"):]), "--ca", paths[2], "--tsa-ca", paths[2]}
	if detached {
		args = append(args, "--detached")
	}
	cmd := exec.Command(filepath.Join(folder, "verify-cades"), append(args, paths[:2]...)...)
	cmd.Env = append(os.Environ(), "JAVA_TOOL_OPTIONS=-XX:TieredStopAtLevel=1 -Djava.security.properties="+paths[3])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: verify-cades: %v\n%s", name, err, out)
	}
}
