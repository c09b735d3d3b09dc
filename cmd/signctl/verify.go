package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const verifyHelp = `signctl verify FILES... [--ca FILE] [--content FILE]

Checks the signatures in PDF files (PAdES), in XML files (XAdES) and in CMS files (CAdES: .p7m and .p7s in DER,
BER, PEM or base64). The content of a file decides what it is, not its name. For each signature the command
prints whether it is valid, its level, what it covers, and what was changed after it. It does not use the
network, so it does not see a later revocation. Without --ca it does not check whether a certificate is trusted.

A detached signature (.p7s) does not contain the signed file. That file is the one that --content names,
otherwise the file of the same name without .p7s: invoice.xml for invoice.xml.p7s.

NOT VALID means that a signature is wrong, or that the document was changed after it was signed. CANNOT BE
JUDGED means that this program does not support the form, the algorithm or the certificate of a signature, or
that the signed file is missing. Such a signature may be valid.

A certificate is checked at the time of signing. The line "judged" shows which time this is: the time of the
timestamp if there is one, otherwise the time that the signer claims (without proof), otherwise the current
time. With --ca, only timestamps of trusted authorities count. Without --ca, timestamps of all authorities
count.

The exit code is 0 only if every file has a signature and all signatures are valid.
`

// verifyRules are what the command line says about how to judge.
type verifyRules struct {
	roots   *x509.CertPool // nil = trust is not judged
	content string         // path of the content of a detached signature; empty = the default
}

func runVerify(ctx context.Context, args []string, s streams) error {
	fs := newFlags("verify", verifyHelp, s)
	caFile := fs.String("ca", "", "PEM `file` of the certificate authorities to trust, for signers and for timestamps")
	var rules verifyRules
	fs.StringVar(&rules.content, "content", "", "signed `file` of a detached signature (.p7s)")
	paths, err := parse(fs, args)
	if err != nil {
		return err
	}
	switch {
	case len(paths) == 0:
		return usageError{errors.New("no files")}
	case len(paths) > 1 && rules.content != "":
		return usageError{errors.New("--content belongs to one signature, so only one file can be checked with it")}
	}
	if *caFile != "" {
		rules.roots = x509.NewCertPool()
		if err := addTrusted(rules.roots, *caFile); err != nil {
			return err
		}
	}
	bad := false
	for _, path := range paths {
		report, err := verifyFile(ctx, path, rules)
		if err != nil {
			bad = true
			fmt.Fprintf(s.err, "FAILED %s: %s\n", printable(path), printable(reason(err)))
			continue
		}
		bad = bad || report.verdict() != valid
		report.print(s.out, path)
	}
	if bad {
		return errReported
	}
	return nil
}

// judges judges the signatures of a file by its content type.
var judges = map[contentType]func(context.Context, openFile, verifyRules) (*fileReport, error){
	typePDF: judgePDF, typeXML: judgeXML, typeCMS: judgeCMS,
}

// verifyFile judges the signatures of one file. The error says why the file has none that could be
// judged: it is of another type, damaged, or cannot be read.
func verifyFile(ctx context.Context, path string, rules verifyRules) (*fileReport, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := contentTypeOf(f)
	if err != nil {
		return nil, err
	}
	judge, ok := judges[content]
	if !ok {
		return nil, errors.New("the file is not a PDF, an XML or a CMS file (.p7m, .p7s)")
	}
	if rules.content != "" && content != typeCMS {
		return nil, errors.New("--content is only for detached signatures (.p7s)")
	}
	report, err := judge(ctx, f, rules)
	switch signing.KindOf(err) {
	case signing.KindUnsupported, signing.KindTooComplex, signing.KindEncrypted:
		return &fileReport{unjudged: reason(err)}, nil
	}
	return report, err
}

// reason returns the text of an error for a person. It is the detail of a domain error if there is
// one.
func reason(err error) string {
	var e *signing.Error
	if errors.As(err, &e) && e.Detail != "" {
		return e.Detail
	}
	return cause(err)
}
