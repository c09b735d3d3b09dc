package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const invoice = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
	`<invoice xmlns="urn:test"><total currency="EUR">100</total></invoice>` + "\n"

// want is what a command ends with and prints.
type want struct {
	code     int
	out, err []string // parts of standard output and standard error
}

func (w want) check(t *testing.T, name string, r result) {
	t.Helper()
	if r.code != w.code || len(w.err) == 0 && r.err != "" {
		t.Errorf("%s: ended with %d, want %d, and printed %q", name, r.code, w.code, r.err)
	}
	for _, part := range w.out {
		if !strings.Contains(r.out, part) {
			t.Errorf("%s: printed %q, want %q", name, r.out, part)
		}
	}
	for _, part := range w.err {
		if !strings.Contains(r.err, part) {
			t.Errorf("%s: standard error is %q, want %q", name, r.err, part)
		}
	}
}

// altered replaces a part that must be in the content.
func altered(t *testing.T, content []byte, old, with string) string {
	t.Helper()
	if !bytes.Contains(content, []byte(old)) {
		t.Fatalf("%.100q does not contain %q", content, old)
	}
	return strings.Replace(string(content), old, with, 1)
}

// TestVerifyXML judges XML files: signed at each level, altered, not signed, and not supported.
func TestVerifyXML(t *testing.T) {
	ca := caFile(t)
	for _, level := range []signing.Level{signing.LevelB, signing.LevelT, signing.LevelLT, signing.LevelLTA} {
		signed := signedAs(t, signing.SignatureInfo{Type: signing.XAdES, Level: level}, []byte(invoice))
		source := "the time of its timestamp"
		if level == signing.LevelB {
			source = "the time that the signer claims"
		}
		path := write(t, map[string]string{"signed.bin": string(signed)})[0]
		want{exitOK, []string{
			"signed.bin: valid\n", `  1 signature "S-`, ": valid, XAdES " + string(level) + "\n", "    by       CN=",
			"    claimed  20", source, "    covers   the whole document without its signatures\n",
		}, nil}.check(t, string(level), signctl(t, "", "verify", path, "--ca", ca))
	}
	signed := signedAs(t, signing.SignatureInfo{Type: signing.XAdES}, []byte(invoice))
	for name, c := range map[string]struct {
		content string
		want    want
	}{
		"altered": {altered(t, signed, ">100<", ">900<"),
			want{exitFailed, []string{": NOT VALID\n", ": NOT VALID\n", "FAULT    the digest of reference 1 is wrong"}, nil}},
		"other algorithm": {altered(t, signed, "#ecdsa-sha256", "#hmac-sha256"),
			want{exitFailed, []string{": CANNOT BE JUDGED\n", "UNKNOWN  the signature method is not supported"}, nil}},
		"not signed": {invoice, want{exitFailed, []string{": not signed\n"}, nil}},
		"entities": {"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
			want{exitFailed, []string{": CANNOT BE JUDGED\n    UNKNOWN  ", "document type declarations are not allowed"}, nil}},
		"cut off": {string(signed[:len(signed)-20]), want{exitFailed, nil, []string{"FAILED", "x.xml: "}}},
	} {
		path := write(t, map[string]string{"x.xml": c.content})[0]
		c.want.check(t, name, signctl(t, "", "verify", path, "--ca", ca))
	}
}

// TestVerifyCMS judges .p7m files in each encoding.
func TestVerifyCMS(t *testing.T) {
	ca := caFile(t)
	signed := string(signedAs(t, signing.SignatureInfo{Type: signing.CAdES, Level: signing.LevelLTA}, []byte(invoice)))
	good := want{exitOK, []string{": valid\n", "  1 signature: valid, CAdES B-LTA\n", "the time of its timestamp",
		"    covers   the content in the file (109 bytes)\n"}, nil}
	for name, c := range map[string]struct {
		content string
		want    want
	}{
		"DER": {signed, good}, "PEM": {pemOf(signed), good},
		"base64": {lines(base64.StdEncoding.EncodeToString([]byte(signed))), good},
		"altered": {altered(t, []byte(signed), ">100<", ">900<"),
			want{exitFailed, []string{": NOT VALID\n", "FAULT "}, nil}},
		"cut off": {signed[:len(signed)/2], want{exitFailed, nil, []string{"cut off"}}},
	} {
		path := write(t, map[string]string{"x": c.content})[0]
		c.want.check(t, name, signctl(t, "", "verify", "--ca", ca, path))
	}
	path := write(t, map[string]string{"x.p7m": signed})[0]
	want{exitFailed, nil, []string{"the file contains its content"}}.check(t, "content for a .p7m",
		signctl(t, "", "verify", path, "--content", path))
}

// TestVerifyDetached: the signed file of a .p7s is beside it, or --content names it.
func TestVerifyDetached(t *testing.T) {
	ca := caFile(t)
	info := signing.SignatureInfo{Type: signing.CAdES, Packaging: signing.Detached}
	signed := string(signedAs(t, info, []byte(invoice)))
	beside := write(t, map[string]string{"a.xml": invoice, "a.xml.p7s": signed, "b.xml.P7S": signed, "c.sig": signed,
		"d.xml": invoice + " ", "d.xml.p7s": pemOf(signed), "e": invoice})
	at := func(name string) string { return filepath.Join(filepath.Dir(beside[0]), name) }
	for name, c := range map[string]struct {
		args []string
		want want
	}{
		"beside": {[]string{at("a.xml.p7s")}, want{exitOK, []string{
			"a.xml.p7s: valid\n", "valid, CAdES B-B\n", "    covers   " + at("a.xml") + " (109 bytes)\n"}, nil}},
		"named": {[]string{at("b.xml.P7S"), "--content", at("e")}, want{exitOK, []string{
			": valid\n", "    covers   " + at("e") + " (109 bytes)\n"}, nil}},
		"missing": {[]string{at("b.xml.P7S")}, want{exitFailed, []string{": CANNOT BE JUDGED\n",
			"UNKNOWN  the signed content is not in the file", "note     there is no file " + at("b.xml") + "; --content"}, nil}},
		"other name": {[]string{at("c.sig")}, want{exitFailed, []string{": CANNOT BE JUDGED\n",
			"note     --content FILE names the signed file\n"}, nil}},
		"another content": {[]string{at("d.xml.p7s")}, want{exitFailed, []string{": NOT VALID\n"}, nil}},
		"no such content": {[]string{at("a.xml.p7s"), "--content", at("f")}, want{exitFailed, nil,
			[]string{"open content " + at("f") + ": no such file"}}},
		"content for XML": {[]string{at("a.xml"), "--content", at("e")}, want{exitFailed, nil,
			[]string{"--content is only for detached signatures"}}},
		"two files": {[]string{at("a.xml.p7s"), at("d.xml.p7s"), "--content", at("e")}, want{exitUsage, nil,
			[]string{"--content belongs to one signature"}}},
	} {
		c.want.check(t, name, signctl(t, "", append([]string{"verify", "--ca", ca}, c.args...)...))
	}
}

// TestVerifyEncryptedPDF: signatures in a PDF that needs a password cannot be judged.
func TestVerifyEncryptedPDF(t *testing.T) {
	r := signctl(t, "", "verify", "../../pkg/pdf/testdata/encrypted/password-aes-256-r6.pdf")
	want{exitFailed, []string{": CANNOT BE JUDGED\n    UNKNOWN  ", "needs a password"}, nil}.check(t, "encrypted", r)
}

// TestVerifyTrust: --ca holds for every type, and one run judges files of all types.
func TestVerifyTrust(t *testing.T) {
	const cases = "../../pkg/pades/testdata/cases/"
	forged, err := os.ReadFile(cases + "forged-tail.pdf")
	if err != nil {
		t.Fatal(err)
	}
	detached := signing.SignatureInfo{Type: signing.CAdES, Packaging: signing.Detached}
	paths := write(t, map[string]string{
		"a.pdf":     string(forged[:87882]),
		"b.xml":     string(signedAs(t, signing.SignatureInfo{Type: signing.XAdES}, []byte(invoice))),
		"c.p7m":     string(signedAs(t, signing.SignatureInfo{Type: signing.CAdES}, []byte(invoice))),
		"d.txt":     invoice,
		"d.txt.p7s": string(signedAs(t, detached, []byte(invoice))),
	})
	signed := append(paths[:3:3], paths[4])
	for _, c := range []struct {
		ca   string
		want want
	}{
		{"", want{exitOK, []string{"a.pdf: valid\n", "b.xml: valid\n", "c.p7m: valid\n", "d.txt.p7s: valid\n"}, nil}},
		{cases + "forged-tail-ca.pem", want{exitFailed, []string{"a.pdf: valid\n", "b.xml: NOT VALID\n", "c.p7m: NOT VALID\n",
			"d.txt.p7s: NOT VALID\n", "FAULT    its certificate is not trusted"}, nil}},
		{caFile(t), want{exitFailed, []string{"a.pdf: NOT VALID\n", "b.xml: valid\n", "c.p7m: valid\n",
			"d.txt.p7s: valid\n"}, nil}},
	} {
		args := append([]string{"verify"}, signed...)
		if c.ca != "" {
			args = append(args, "--ca", c.ca)
		}
		c.want.check(t, c.ca, signctl(t, "", args...))
	}
}
