package main_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/pades"
)

// maxFailed is the largest proportion of ended documents that may have failed. Only documents that
// the remote side refuses by name should fail. The proportion is checked only in a long test,
// because in a short one a single fault that hits full batches exceeds it.
const maxFailed = 0.10

// wantEnoughFaults checks that the test caused enough faults.
func (s *soak) wantEnoughFaults(d time.Duration) {
	t := s.t
	kills, faulty, fills, reloads := s.kills.Load(), s.faulty.Load(), s.fills.Load(), s.reloads.Load()
	t.Logf("%d kills, %d faults of the remote side, %d disks filled up, %d client files broken", kills,
		faulty, fills, reloads)
	if kills == 0 || faulty == 0 {
		t.Error("the test killed no proxy or caused no fault, so it proves nothing")
	}
	if d >= growthTime && reloads == 0 {
		t.Error("no client file was broken: nothing is shown")
	}
	if !s.ownDisk {
		t.Log("NOT SHOWN: full disks, which need root")
	} else if d >= growthTime && fills == 0 {
		t.Error("no disk was ever full: nothing is shown")
	}
	signed, failed := s.signed.Load(), s.failed.Load()
	if signed == 0 || d >= growthTime && float64(failed) > maxFailed*float64(signed+failed) {
		t.Errorf("%d documents were signed and %d given up, want %.0f %% of them at most", signed, failed, 100*maxFailed)
	}
	for _, p := range s.proxies {
		if n := strings.Count(p.log(t), "panic"); n > 0 {
			t.Errorf("%s: the log holds %d panics", p.name, n)
		}
	}
}

// settle waits until all accepted operations have ended, and checks them.
func (s *soak) settle() {
	ctx, cancel := context.WithTimeout(s.t.Context(), soakSettle)
	defer cancel()
	s.done = ctx
	for _, p := range s.proxies {
		left := 0
		p.seen.Range(func(reference, value any) bool {
			left++
			accepted := value.(soakAccepted)
			if !s.follow(p, reference.(string), accepted) {
				s.fault("%s: operation %d (%s) was accepted and does not end well", p.name, accepted.ID, reference)
			}
			return ctx.Err() == nil
		})
		s.t.Logf("the one that %s: %d operations were under way at the end", p.name, left)
		n := p.signaturesNow(s.t)
		s.t.Logf("the one that %s: signatures %v", p.name, n)
	}
	var returned, unknown int64
	for _, p := range s.proxies {
		n := p.signaturesNow(s.t)
		returned, unknown = returned+n["returned"], unknown+n["unknown"]
		p.Instance = p.current.Load()
		wantAudited(s.t, p.testProxy, n)
	}
	if made := s.remote.Counts().Signatures; made > returned+unknown {
		s.fault("%d signatures made, only %d delivered and %d unknown", made, returned, unknown)
	}
}

func (p *soakProxy) signaturesNow(t *testing.T) map[string]int64 {
	t.Helper()
	p.Instance = p.current.Load()
	return p.signatures(t)
}

// judges limits how many verifiers run at the same time.
var judges = make(chan struct{}, runtime.NumCPU())

// look verifies a signed document with our own code, and one in twenty also with an independent
// program.
func (s *soak) look(of shape, content []byte, level string) {
	if err := of.verify(content, level, s.roots); err != nil {
		s.fault("an invalid document: %v", err)
		return
	}
	s.signed.Add(1)
	if rand.IntN(20) > 0 {
		return
	}
	judges <- struct{}{}
	defer func() { <-judges }()
	var err error
	if of.signature.Type == "PAdES" {
		err = s.askPDF(content)
	} else {
		err = of.ask(s.remote.root, content)
	}
	if err != nil {
		s.fault("an invalid document: %v", err)
		return
	}
	s.verified.Add(1)
}

// askPDF has OpenSSL verify a signed PDF file. Independent verifiers judge the signed revision
// only, because they treat later revisions as changes.
func (s *soak) askPDF(content []byte) error {
	report, err := pades.Verify(s.t.Context(), bytes.NewReader(content), int64(len(content)), pades.VerifyOptions{})
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "signed.pdf")
	if err := os.WriteFile(path, content[:report.Signatures[0].End], 0o600); err != nil {
		return err
	}
	found := s.judge.Signature(s.t.Context(), sample, path)
	return found.Err()
}
