package xades

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// largeKind is a kind of large document: a head, many lines and a tail. A line takes its number
// and values that depend on it.
type largeKind struct{ name, head, line, tail string }

var largeKinds = []largeKind{
	{"ubl", `<?xml version="1.0" encoding="UTF-8"?>
<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
    xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
    xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
  <cbc:ID>FT 2027/1</cbc:ID>
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
	{"fatturapa", `<?xml version="1.0" encoding="UTF-8"?>
<p:FatturaElettronica versione="FPA12" xmlns:p="http://ivaservizi.agenziaentrate.gov.it/docs/xsd/fatture/v1.2">
  <FatturaElettronicaBody>
    <DatiBeniServizi>
`, `      <DettaglioLinee>
        <NumeroLinea>%[1]d</NumeroLinea>
        <Descrizione>Servizio di manutenzione, unit` + "à" + ` %[3]d</Descrizione>
        <Quantita>%[2]d.00</Quantita>
        <UnitaMisura>ore</UnitaMisura>
        <PrezzoUnitario>%[3]d.05</PrezzoUnitario>
        <PrezzoTotale>%[3]d.50</PrezzoTotale>
        <AliquotaIVA>22.00</AliquotaIVA>
      </DettaglioLinee>
`, "    </DatiBeniServizi>\n  </FatturaElettronicaBody>\n</p:FatturaElettronica>\n"},
	{"attributes", `<?xml version="1.0" encoding="UTF-8"?>
<ledger xmlns="urn:example:ledger">
`, `  <entry number="%[1]d" account="62.%[2]d" date="2027-03-0%[2]d" currency="EUR" amount="%[3]d.50" ` +
		`tax="%[3]d.05" text="Caixa de parafusos, %[3]d" source="sales"/>
`, "</ledger>\n"},
	{"text", `<?xml version="1.0" encoding="UTF-8"?>
<report xmlns="urn:example:report">
`, "  <p number=\"%[1]d\">" +
		strings.Repeat("O fornecedor entrega %[2]d caixas até %[3]d dias depois da encomenda. ", 20) +
		"</p>\n", "</report>\n"},
}

// write writes a document of about size bytes. The lines repeat after 1,000.
func (k *largeKind) write(w io.Writer, size int64) error {
	lines := make([][]byte, 1000)
	for i := range lines {
		lines[i] = fmt.Appendf(nil, k.line, 1000+i, 1+i%9, 100+i*7%900)
	}
	b := bufio.NewWriterSize(w, 1<<20)
	b.WriteString(k.head)
	written := int64(len(k.head) + len(k.tail))
	for i := 0; written < size; i++ {
		line := lines[i%len(lines)]
		b.Write(line)
		written += int64(len(line))
	}
	b.WriteString(k.tail)
	return b.Flush()
}

// diskFile is a document on disk.
type diskFile struct {
	*os.File
	size int64
}

func (f diskFile) Size() int64 { return f.size }

// newDiskFile writes a document of about size bytes into a temporary folder.
func newDiskFile(t testing.TB, k *largeKind, size int64) diskFile {
	f, err := os.Create(filepath.Join(t.TempDir(), k.name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := k.write(f, size); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return diskFile{f, info.Size()}
}

// signFile signs a document: prepare, and embed with its check.
func signFile(ctx context.Context, file signing.File, k *testKey) error {
	in := inputOf(nil, nil)
	in.File = file
	p, err := (&Format{}).Prepare(ctx, in, k.credential)
	if err != nil {
		return err
	}
	value, err := k.sign(p.Digest)
	if err != nil {
		return err
	}
	_, _, err = (&Format{}).Embed(ctx, in, p, value)
	return err
}

// fastest is the shortest time and the shortest processor time that a piece of work took.
type fastest struct{ wall, cpu time.Duration }

// try measures one more run.
func (f *fastest) try(b *testing.B, do func() error) {
	start, before := time.Now(), cpuTime(b)
	if err := do(); err != nil {
		b.Fatal(err)
	}
	wall, cpu := time.Since(start), cpuTime(b)-before
	if f.wall == 0 {
		*f = fastest{wall, cpu}
	}
	f.wall, f.cpu = min(f.wall, wall), min(f.cpu, cpu)
}

// cpuTime returns the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSign signs documents of 50 MB. The metrics are the time and the processor time as
// multiples of those that SHA-256 of the same file takes in the same run. They compare the fastest
// runs, which other work on the machine disturbs least.
func BenchmarkSign(b *testing.B) {
	for i := range largeKinds {
		b.Run(largeKinds[i].name, func(b *testing.B) {
			file := newDiskFile(b, &largeKinds[i], 50_000_000)
			k := testKeys()["P-256"]
			b.SetBytes(file.size)
			b.ReportAllocs()
			var floor, own fastest
			for b.Loop() {
				floor.try(b, func() error {
					_, err := io.CopyBuffer(sha256.New(), io.NewSectionReader(file, 0, file.size), make([]byte, 256<<10))
					return err
				})
				own.try(b, func() error { return signFile(b.Context(), file, k) })
			}
			b.ReportMetric(float64(own.wall)/float64(floor.wall), "x-wall")
			b.ReportMetric(float64(own.cpu)/float64(floor.cpu), "x-cpu")
			b.ReportMetric(float64(own.wall.Milliseconds()), "ms-wall")
			b.ReportMetric(float64(own.cpu.Milliseconds()), "ms-cpu")
		})
	}
}
