package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
)

const (
	millionDocuments = 1_000_000
	// millionFirst is after how many documents the cost of a document is measured for the first time.
	millionFirst = 10_000
	// millionWindow is how many requests are compared at each mark: the last 20,000 documents, if
	// there are so many.
	millionWindow = 8
	// millionMore is the goal for the cost of a document at the end, compared with the first mark.
	millionMore = 1.2
	// millionRetention removes operations whose results were fetched. The proxy looks once a minute,
	// so the disk holds the documents of about a minute. It is the setting of an operator whose
	// clients fetch each result once.
	millionRetention = "--retention.fetched=1s"
)

// million signs a million documents at one proxy, and compares the cost of a document and the
// memory at the end with those after 10,000 documents.
func (b *bench) million(ctx context.Context) error {
	return b.withDocuments(b.batch(), loadSize, func(dir string, docs []document) error {
		count := max(b.total/len(docs), 2)
		m := newMillion(len(docs), count, filepath.Join(dir, "state"))
		fmt.Printf("documents of 20 KB, %d in a request; times are for one document\n", len(docs))
		fmt.Printf(millionTable, "documents", "CPU", "time", "CPU with fetch and removal", "RSS", "metadata.db", "audit",
			"files")
		err := b.inTurn(ctx, dir, docs, count, func(p *instance.Instance, s manySample) error {
			if err := m.add(p, s); err != nil {
				return err
			}
			if m.marked() {
				m.print()
			}
			return nil
		}, millionRetention)
		if err != nil {
			return err
		}
		m.judge(&b.goals)
		return nil
	})
}

// million collects what the requests of one proxy cost.
type million struct {
	each    int // documents in a request
	state   string
	marks   map[int]bool // numbers of requests after which the window is printed
	first   int          // the first of them
	samples []manySample
	// whole is the CPU time of the proxy since its start, after each request. In addition to the
	// samples it contains fetching, removal and everything else.
	whole []time.Duration
}

// newMillion returns a collection for count requests of each documents.
func newMillion(each, count int, state string) *million {
	first := min(max(millionFirst/each, 1), max(count/2, 1))
	return &million{each: each, state: state, first: first,
		marks: map[int]bool{first: true, count / 10: true, count / 2: true, count: true}}
}

func (m *million) add(p *instance.Instance, s manySample) error {
	cpu, err := processCPU(p.PID())
	if err != nil {
		return err
	}
	m.samples, m.whole = append(m.samples, s), append(m.whole, cpu)
	return nil
}

func (m *million) marked() bool { return len(m.samples) >= m.first && m.marks[len(m.samples)] }

// at returns the window that ends with request n, and the CPU time of all that the proxy did for
// one document in it. The first request has no request before it, and does not count in that.
func (m *million) at(n int) (window []manySample, whole time.Duration) {
	from := max(n-millionWindow, 0)
	before := max(from, 1)
	return m.samples[from:n], (m.whole[n-1] - m.whole[before-1]) / time.Duration(max(n-before, 1)*m.each)
}

// millionTable is the format of the table. Each row is printed at once, because the run takes long.
const millionTable = "%10v  %8v  %8v  %27v  %7v  %11v  %10v  %10v\n"

// print prints the window that ends with the last request, and the state folder as it is now.
func (m *million) print() {
	n := len(m.samples)
	window, whole := m.at(n)
	one := time.Duration(m.each)
	fmt.Printf(millionTable, n*m.each, ms(median(window, manySample.cpu)/one), ms(median(window, manySample.time)/one),
		ms(whole), fmt.Sprintf("%d MiB", median(window, manySample.memory)>>20),
		megabytes(filepath.Join(m.state, "metadata.db")), megabytes(filepath.Join(m.state, "audit")),
		megabytes(filepath.Join(m.state, "operations")))
}

func (m *million) judge(g *goals) {
	first, firstWhole := m.at(m.first)
	last, lastWhole := m.at(len(m.samples))
	what := fmt.Sprintf(" at %d / at %d", len(m.samples)*m.each, m.first*m.each)
	g.atMost("CPU of a document"+what, ratio(median(last, manySample.cpu), median(first, manySample.cpu)), millionMore, "")
	g.atMost("time of a document"+what, ratio(median(last, manySample.time), median(first, manySample.time)),
		millionMore, "")
	g.atMost("RSS"+what, ratio(median(last, manySample.memory), median(first, manySample.memory)), manyRSS, "")
	fmt.Printf("  with fetch and removal: CPU of a document%s: %.2f\n", what, ratio(lastWhole, firstWhole))
}

func megabytes(path string) string { return fmt.Sprintf("%.1f MB", float64(folderSize(path))/1e6) }
