package main

import (
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// utf16Text encodes a text as UTF-16 with a byte order mark.
func utf16Text(text string, bigEndian bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		if bigEndian {
			b.Write([]byte{byte(unit >> 8), byte(unit)})
		} else {
			b.Write([]byte{byte(unit), byte(unit >> 8)})
		}
	}
	return b.String()
}

func pemOf(der string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: []byte(der)}))
}

// lines breaks a text into lines of 64 characters.
func lines(text string) string {
	var b strings.Builder
	for ; len(text) > 64; text = text[64:] {
		b.WriteString(text[:64] + "\r\n")
	}
	return b.String() + text + "\n"
}

// TestContentType: the content decides what a file is.
func TestContentType(t *testing.T) {
	der := string(signedAs(t, signing.SignatureInfo{Type: signing.CAdES}, []byte("%PDF-1.7 in a .p7m")))
	ber := "\x30\x80" + pkcs7 + "\x02\xa0\x80"
	for name, c := range map[string]struct {
		content string
		want    contentType
	}{
		"PDF":                        {"%PDF-1.7\n", typePDF},
		"PDF after other bytes":      {strings.Repeat("x", 1000) + "%PDF-1.7\n", typePDF},
		"PDF too far away":           {strings.Repeat("x", 1025) + "%PDF-1.7\n", typeOther},
		"XML":                        {"<?xml version='1.0'?><a/>", typeXML},
		"XML without declaration":    {"\n <a/>", typeXML},
		"XML with byte order mark":   {"\xef\xbb\xbf<a/>", typeXML},
		"UTF-16, little endian":      {utf16Text("<a/>", false), typeXML},
		"UTF-16, big endian":         {utf16Text("<a/>", true), typeXML},
		"UTF-16 without mark":        {utf16Text("<a/>", true)[2:], typeXML},
		"DER with a PDF in it":       {der, typeCMS},
		"BER":                        {ber, typeCMS},
		"PEM":                        {pemOf(der), typeCMS},
		"PEM with carriage returns":  {strings.ReplaceAll(pemOf(der), "\n", "\r\n"), typeCMS},
		"base64 in lines":            {"\r\n" + lines(base64.StdEncoding.EncodeToString([]byte(der))), typeCMS},
		"base64":                     {base64.StdEncoding.EncodeToString([]byte(der)), typeCMS},
		"PEM of a certificate":       {string(pki().RootPEM()), typeOther},
		"certificate":                {string(pki().Root.Raw), typeOther},
		"a text that starts like it": {"MIME is a standard for mail", typeOther},
		"base64 cut off":             {"MIIB", typeOther},
		"length only":                {"\x30\xff", typeOther},
		"text":                       {"Dear Sir or Madam", typeOther},
		"one byte":                   {"0", typeOther},
		"blanks":                     {" \n", typeOther},
		"nothing":                    {"", typeOther},
	} {
		got, err := contentTypeOf(strings.NewReader(c.content))
		if err != nil || got != c.want {
			t.Errorf("%s: content type %s, %v, want %s", name, got, err, c.want)
		}
	}
}
