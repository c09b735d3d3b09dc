package main_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// shape is a document and the way in which it is signed.
type shape struct {
	name, contentType string
	original          []byte
	path              string // of the original; empty = only in memory
	signature         client.SignatureInfo
}

// shapes returns one document for each way to sign: a PDF file, an XML file, and other files with
// the file in the signature, without it, and with a second signature.
var shapes = sync.OnceValue(func() []shape {
	xml := invoiceXML()
	cms := client.SignatureInfo{Type: "CAdES"}
	detached, cosigned := cms, cms
	detached.Packaging, cosigned.Existing = "DETACHED", "COSIGN"
	return []shape{
		pdfShape(sample),
		{"invoice.xml", "application/xml", xml, "", client.SignatureInfo{Type: "XAdES"}},
		{"enveloped.xml", "text/xml", xml, "", cms},
		{"detached.xml", "text/xml", xml, "", detached},
		fileShape("../../pkg/cades/testdata/dss/C-B-B-basic.p7m", "application/pkcs7-mime", cosigned),
	}
})

func pdfShape(path string) shape {
	return fileShape(path, "application/pdf", client.SignatureInfo{Type: "PAdES"})
}

func fileShape(path, contentType string, signature client.SignatureInfo) shape {
	original, err := os.ReadFile(path)
	if err != nil {
		panic(err) // it is part of this repository
	}
	return shape{filepath.Base(path), contentType, original, path, signature}
}

// invoiceXML returns an invoice of about ten kilobytes.
func invoiceXML() []byte {
	text := new(strings.Builder)
	text.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Invoice xmlns=\"urn:example:invoice\">\n")
	for i := range 150 {
		fmt.Fprintf(text, "  <Line><ID>%d</ID><Item>Article &amp; service %d</Item></Line>\n", i, i)
	}
	text.WriteString("</Invoice>\n")
	return []byte(text.String())
}

// document returns a document of a request.
func (s shape) document(reference string) client.Document {
	return client.Document{
		Reference: reference, Name: s.name, ContentType: s.contentType, Size: int64(len(s.original)),
		Signature: &s.signature,
		Open:      func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(s.original)), nil },
	}
}

// sized is a file in memory.
type sized struct{ *bytes.Reader }

func inMemory(b []byte) sized { return sized{bytes.NewReader(b)} }

// verify checks with our own verifiers that signed is the original with one more signature, which
// is valid, at a level. An empty level is B-B. roots may be nil.
func (s shape) verify(signed []byte, level string, roots *x509.CertPool) error {
	if level == "" {
		level = string(signing.LevelB)
	}
	var reached []signing.Level // of all signatures
	var err error
	switch s.signature.Type {
	case "PAdES":
		reached, err = s.verifyPDF(signed, roots)
	case "XAdES":
		reached, err = s.verifyXML(signed, roots)
	default:
		reached, err = s.verifyCMS(signed, roots)
	}
	if err == nil && !slices.Contains(reached, signing.Level(level)) {
		err = fmt.Errorf("it has the levels %v, want %s", reached, level)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

func (s shape) verifyPDF(signed []byte, roots *x509.CertPool) ([]signing.Level, error) {
	report, err := pades.Verify(context.Background(), bytes.NewReader(signed), int64(len(signed)),
		pades.VerifyOptions{Roots: roots})
	switch {
	case err != nil:
		return nil, err
	case !bytes.HasPrefix(signed, s.original):
		return nil, errors.New("it does not begin with the original")
	case !report.Valid():
		return nil, fmt.Errorf("it is not valid: %+v", report.Signatures)
	}
	return []signing.Level{report.Signatures[0].Level}, nil
}

func (s shape) verifyXML(signed []byte, roots *x509.CertPool) ([]signing.Level, error) {
	all, err := xades.Verify(context.Background(), inMemory(signed), xades.VerifyOptions{Roots: roots})
	if err != nil || len(all) != 1 {
		return nil, fmt.Errorf("%d signatures, %w", len(all), err)
	}
	got := all[0]
	switch {
	case got.Verdict != xades.Valid:
		return nil, fmt.Errorf("it is %s: %s", got.Verdict, got.Reason)
	case got.Covers != xades.CoversDocument:
		return nil, fmt.Errorf("the signature covers %q", got.Covers)
	case !bytes.Equal(slices.Concat(signed[:got.Start], signed[got.End:]), s.original):
		return nil, errors.New("it is not the original without the signature")
	}
	return []signing.Level{got.Level}, nil
}

func (s shape) verifyCMS(signed []byte, roots *x509.CertPool) ([]signing.Level, error) {
	want, signatures, o := s.original, 1, cades.VerifyOptions{Roots: roots}
	switch {
	case s.signature.Packaging == "DETACHED":
		o.Content = inMemory(s.original)
	case s.signature.Existing == "COSIGN":
		var content bytes.Buffer
		if err := cades.CopyContent(context.Background(), inMemory(s.original), &content); err != nil {
			return nil, err
		}
		want, signatures, o.Roots = content.Bytes(), 2, nil // nobody trusts the root of the first signer
	}
	report, err := cades.Verify(context.Background(), inMemory(signed), o)
	switch {
	case err != nil:
		return nil, err
	case report.Verdict() != cades.Valid || len(report.Signatures) != signatures:
		return nil, fmt.Errorf("it is %s: %+v", report.Verdict(), report.Signatures)
	}
	if o.Content == nil {
		var content bytes.Buffer
		if err := cades.CopyContent(context.Background(), inMemory(signed), &content); err != nil {
			return nil, err
		}
		if !bytes.Equal(content.Bytes(), want) {
			return nil, errors.New("its content is another one")
		}
	}
	var levels []signing.Level
	for i := range report.Signatures {
		levels = append(levels, report.Signatures[i].Level)
	}
	return levels, nil
}

// ask has an independent program check the signature in an XML or CMS file, if the program is
// installed: xmlsec1 or OpenSSL. root is the path of a root certificate.
func (s shape) ask(root string, signed []byte) error {
	folder, err := os.MkdirTemp("", "signed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path, original := filepath.Join(folder, "signed"), filepath.Join(folder, "original")
	if err := errors.Join(os.WriteFile(path, signed, 0o600), os.WriteFile(original, s.original, 0o600)); err != nil {
		return err
	}
	const properties = "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"
	args := []string{"xmlsec1", "--verify", "--insecure", "--id-attr:Id", properties, path}
	if s.signature.Type == "CAdES" {
		args = []string{"openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", path, "-out", os.DevNull}
		if s.signature.Existing == "COSIGN" { // nobody trusts the root of the first signer
			args = append(args, "-noverify")
		} else {
			args = append(args, "-cades", "-purpose", "any", "-CAfile", root)
		}
	}
	if s.signature.Packaging == "DETACHED" {
		args = append(args, "-content", original)
	}
	if _, err := exec.LookPath(args[0]); err != nil {
		return nil // TestVerifiersAreInstalled says so
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s: %w: %s", s.name, args[0], err, out)
	}
	return nil
}
