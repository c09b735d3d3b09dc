package xmlc14n

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// invoiceLine is a line of a UBL invoice as programs write it.
const invoiceLine = `  <cac:InvoiceLine>
    <cbc:ID>1</cbc:ID>
    <cbc:InvoicedQuantity unitCode="C62">10.00</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">1250.50</cbc:LineExtensionAmount>
    <cac:Item>
      <cbc:Description>Caixa de parafusos de aço inoxidável, 100 unidades</cbc:Description>
      <cbc:Name>Parafusos M6 &amp; porcas</cbc:Name>
      <cac:SellersItemIdentification>
        <cbc:ID>PRF-M6-100</cbc:ID>
      </cac:SellersItemIdentification>
      <cac:ClassifiedTaxCategory>
        <cbc:ID>S</cbc:ID>
        <cbc:Percent>23</cbc:Percent>
        <cac:TaxScheme>
          <cbc:ID>VAT</cbc:ID>
        </cac:TaxScheme>
      </cac:ClassifiedTaxCategory>
    </cac:Item>
    <cac:Price>
      <cbc:PriceAmount currencyID="EUR">125.05</cbc:PriceAmount>
    </cac:Price>
  </cac:InvoiceLine>
`

// invoice gives a UBL invoice of about size bytes.
func invoice(size int64) io.Reader {
	return repeat(`<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
    xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
    xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
`, invoiceLine, size/int64(len(invoiceLine)), "</Invoice>\n")
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkForms canonicalizes 50 MB of invoice lines into SHA-256. The metric x-sha256 is the
// processor time as a multiple of that for SHA-256 of the same bytes, measured in the same run.
func BenchmarkForms(b *testing.B) {
	doc, err := io.ReadAll(invoice(50_000_000))
	if err != nil {
		b.Fatal(err)
	}
	for _, form := range forms {
		b.Run(strings.TrimPrefix(form.URI(), "http://www.w3.org/"), func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			var floor, own time.Duration
			for b.Loop() {
				start := cpu(b)
				if _, err := io.Copy(sha256.New(), bytes.NewReader(doc)); err != nil {
					b.Fatal(err)
				}
				middle := cpu(b)
				if err := Canonicalize(NewTokenizer(bytes.NewReader(doc)), New(sha256.New(), Config{Form: form})); err != nil {
					b.Fatal(err)
				}
				floor += middle - start
				own += cpu(b) - middle
			}
			b.ReportMetric(float64(own)/float64(floor), "x-sha256")
		})
	}
}

// BenchmarkTokens only reads the tokens of 50 MB of invoice lines.
func BenchmarkTokens(b *testing.B) {
	doc, err := io.ReadAll(invoice(50_000_000))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		tok := NewTokenizer(bytes.NewReader(doc))
		for err = nil; err == nil; _, err = tok.Next() {
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}

// TestPeak canonicalizes a document of SIGNSTASH_XML_BYTES bytes and shows the memory that this
// process took at most.
func TestPeak(t *testing.T) {
	size, err := strconv.ParseInt(os.Getenv("SIGNSTASH_XML_BYTES"), 10, 64)
	if err != nil {
		t.Skip("SIGNSTASH_XML_BYTES is not set")
	}
	h := sha256.New()
	if err := Canonicalize(NewTokenizer(invoice(size)), New(h, Config{Form: Form{Method: Exclusive}})); err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") {
			fmt.Printf("%d bytes, digest %x, %s", size, h.Sum(nil), line)
		}
	}
}
