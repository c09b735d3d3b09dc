package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/cades"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
	"github.com/signstash-proxy/signstash-proxy/pkg/xades"
)

// kind is a kind of documents, and how they are signed.
type kind struct {
	extension   string // of the file
	contentType string
	signature   string // type, as in a request
	write       func(path string, size int64, seed uint64) error
}

// The kinds. An unknown one is signed with an enveloping CAdES signature.
var (
	pdf = kind{".pdf", "application/pdf", "PAdES", func(path string, size int64, seed uint64) error {
		return writePDF(path, size, 0, seed)
	}}
	xml = kind{".xml", "application/xml", "XAdES", func(path string, size int64, seed uint64) error {
		return writeXML(path, &xmlShapes[0], size, seed)
	}}
	other = kind{".bin", "application/octet-stream", "CAdES", func(path string, size int64, _ uint64) error {
		return writeSparse(path, size)
	}}
)

// kindOf returns the kind of the document in a file.
func kindOf(path string) *kind {
	switch filepath.Ext(path) {
	case pdf.extension:
		return &pdf
	case xml.extension:
		return &xml
	}
	return &other
}

// format returns the format that signs documents of the kind at level B-B.
func (k *kind) format() signing.Format {
	switch k.signature {
	case "PAdES":
		return &pades.Format{}
	case "XAdES":
		return &xades.Format{}
	}
	return &cades.Format{}
}

// info says to a format how to sign.
func (k *kind) info() signing.SignatureInfo {
	return signing.SignatureInfo{Type: signing.SignatureType(k.signature), Level: signing.LevelB}
}

// request says to the proxy how to sign.
func (k *kind) request() client.SignatureInfo { return client.SignatureInfo{Type: k.signature} }

// xmlShape is a structure of large XML documents: a head, many lines and a tail. A line takes its
// number, a digit and a number of three digits.
type xmlShape struct{ name, head, line, tail string }

var xmlShapes = []xmlShape{
	{"UBL invoice", `<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
    xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
    xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:ID>FT 2027/%d</cbc:ID>
`, `  <cac:InvoiceLine>
    <cbc:ID>%[1]d</cbc:ID>
    <cbc:InvoicedQuantity unitCode="C62">%[2]d.00</cbc:InvoicedQuantity>
    <cbc:LineExtensionAmount currencyID="EUR">%[3]d.50</cbc:LineExtensionAmount>
    <cac:Item>
      <cbc:Description>Caixa de parafusos de aço inoxidável, %[3]d unidades</cbc:Description>
      <cbc:Name>Parafusos M%[2]d &amp; porcas</cbc:Name>
      <cac:SellersItemIdentification>
        <cbc:ID>PRF-M6-%[3]d</cbc:ID>
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
      <cbc:PriceAmount currencyID="EUR">%[3]d.05</cbc:PriceAmount>
    </cac:Price>
  </cac:InvoiceLine>
`, "</Invoice>\n"},
	{"FatturaPA", `<?xml version="1.0" encoding="UTF-8"?>
<p:FatturaElettronica versione="FPA12" xmlns:p="http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2">
  <FatturaElettronicaBody>
    <Numero>%d</Numero>
    <DatiBeniServizi>
`, `      <DettaglioLinee>
        <NumeroLinea>%[1]d</NumeroLinea>
        <Descrizione>Servizio di manutenzione, unità %[3]d</Descrizione>
        <Quantita>%[2]d.00</Quantita>
        <UnitaMisura>ore</UnitaMisura>
        <PrezzoUnitario>%[3]d.05</PrezzoUnitario>
        <PrezzoTotale>%[3]d.50</PrezzoTotale>
        <AliquotaIVA>22.00</AliquotaIVA>
      </DettaglioLinee>
`, "    </DatiBeniServizi>\n  </FatturaElettronicaBody>\n</p:FatturaElettronica>\n"},
	{"attributes", `<?xml version="1.0" encoding="UTF-8"?>
<ledger xmlns="urn:example:ledger" year="%d">
`, `  <entry number="%[1]d" account="62.%[2]d" date="2027-03-0%[2]d" currency="EUR" amount="%[3]d.50" ` +
		`tax="%[3]d.05" text="Caixa de parafusos, %[3]d" source="sales"/>
`, "</ledger>\n"},
	{"text", `<?xml version="1.0" encoding="UTF-8"?>
<report xmlns="urn:example:report" number="%d">
`, "  <p number=\"%[1]d\">" + strings.Repeat("O fornecedor entrega %[2]d caixas até %[3]d dias depois. ", 25) +
		"</p>\n", "</report>\n"},
}

// writeXML writes a document of about size bytes. Its lines repeat after 1,000.
func writeXML(path string, shape *xmlShape, size int64, seed uint64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make document: %w", err)
	}
	defer f.Close() // flush returns the errors of writing
	w := &counter{w: bufio.NewWriterSize(f, 256<<10)}
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = fmt.Sprintf(shape.line, 1000+i, 1+i%9, 100+i*7%900)
	}
	fmt.Fprintf(w, shape.head, seed)
	for i := 0; w.n < size-int64(len(shape.tail)); i++ {
		fmt.Fprint(w, lines[i%len(lines)])
	}
	fmt.Fprint(w, shape.tail)
	return w.flush()
}

// writeSparse writes a file of zeros that takes almost no disk space.
func writeSparse(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make document: %w", err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return fmt.Errorf("make document: %w", err)
	}
	return nil
}
