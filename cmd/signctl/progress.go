package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// progress shows what happens: a bar on a terminal, plain lines elsewhere. It prints the names of
// signed files to standard output and everything else to standard error. It is safe for concurrent
// use.
type progress struct {
	out, err io.Writer
	started  time.Time

	mu       sync.Mutex
	bar      *progressbar.ProgressBar // nil = no terminal
	ok       int
	failures []failure
}

func newProgress(s streams, files int) *progress {
	p := &progress{out: s.out, err: s.err, started: time.Now()}
	if f, isFile := s.err.(*os.File); isFile && term.IsTerminal(int(f.Fd())) && files > 0 {
		p.bar = progressbar.NewOptions(
			files,
			progressbar.OptionSetWriter(f),
			progressbar.OptionSetDescription("signing"),
			progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(65*time.Millisecond),
		)
		_ = p.bar.RenderBlank() // nothing can be done about a terminal that refuses output
	}
	return p
}

// notice prints one line about the progress.
func (p *progress) notice(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line(format, args...)
}

// line prints to standard error, above the bar if there is one. The caller holds mu.
func (p *progress) line(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.err, printable(fmt.Sprintf(format, args...)))
}

// accepted reports that a batch is durable at the proxy.
func (p *progress) accepted(b batch, a *client.Accepted) {
	noun := "documents"
	if len(b.files) == 1 {
		noun = "document"
	}
	p.notice("%d %s accepted as %s (operation %d at %s:%d)", len(b.files), noun, b.reference, a.ID, a.Host, a.Port)
}

// signed reports that a signed file was written.
func (p *progress) signed(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ok++
	if p.bar == nil {
		fmt.Fprintln(p.out, printable(path))
	}
	p.step()
}

// failed records files that were not signed. finish prints their names.
func (p *progress) failed(failures ...failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures = append(p.failures, failures...)
	for range failures {
		p.step()
	}
}

func (p *progress) step() {
	if p.bar != nil {
		_ = p.bar.Add(1)
	}
}

// finish prints each file that failed with its reason, and a summary.
func (p *progress) finish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	p.bar = nil
	for _, f := range p.failures {
		p.line("FAILED %s: %s", f.name, f.reason)
	}
	p.line("%d signed, %d failed, in %s", p.ok, len(p.failures), time.Since(p.started).Round(10*time.Millisecond))
	if len(p.failures) > 0 {
		return errReported
	}
	return nil
}
