package xades

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

// invoiceLine is a line of an invoice with its number, quantity and amount.
const invoiceLine = `
  <cac:InvoiceLine>
    <cbc:ID>%d</cbc:ID>
    <cbc:InvoicedQuantity unitCode="C62">%d.00</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">%d.50</cbc:LineExtensionAmount>
    <cac:Item>
      <cbc:Description>Serviço de consultoria e manutenção</cbc:Description>
    </cac:Item>
  </cac:InvoiceLine>`

// invoice returns a document of about size bytes with the structure of an invoice.
func invoice(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`<Invoice xmlns="urn:invoice" xmlns:cbc="urn:cbc" xmlns:cac="urn:cac">`)
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, invoiceLine, i, i%9, i%1000)
	}
	b.WriteString("\n</Invoice>\n")
	return b.Bytes()
}

// BenchmarkSign signs 50 MB: prepare, and embed with its check. BenchmarkSHA256 is the yardstick.
func BenchmarkSign(b *testing.B) {
	doc := invoice(50_000_000)
	k := testKeys()["P-256"]
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		in := inputOf(doc, nil)
		p, err := (&Format{}).Prepare(b.Context(), in, k.credential)
		if err != nil {
			b.Fatal(err)
		}
		value, err := k.sign(p.Digest)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := (&Format{}).Embed(b.Context(), in, p, value); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPrepare is the first half of BenchmarkSign.
func BenchmarkPrepare(b *testing.B) {
	doc := invoice(50_000_000)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (&Format{}).Prepare(b.Context(), inputOf(doc, nil), testKeys()["P-256"].credential); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSHA256(b *testing.B) {
	doc := invoice(50_000_000)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		sha256.Sum256(doc)
	}
}
