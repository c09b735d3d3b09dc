package main_test

import (
	"bytes"
	"cmp"
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
		p.seen.Range(func(reference, accepted any) bool {
			left++
			if !s.follow(p, reference.(string), accepted.(soakAccepted)) {
				s.fault("%s: operation %+v (%s) was accepted and does not end well", p.name, accepted, reference)
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

// look verifies a signed document with our own code, and one in twenty also with OpenSSL.
func (s *soak) look(content []byte, level string) {
	report, err := pades.Verify(s.t.Context(), bytes.NewReader(content), int64(len(content)),
		pades.VerifyOptions{Roots: s.roots})
	switch {
	case !bytes.HasPrefix(content, s.content):
		s.fault("a signed document does not begin with the original")
		return
	case err != nil || !report.Valid():
		s.fault("an invalid document: %+v, %v", report, err)
		return
	case string(report.Signatures[0].Level) != cmp.Or(level, "B-B"):
		s.fault("a document of level %s, want %s", report.Signatures[0].Level, cmp.Or(level, "B-B"))
	}
	s.signed.Add(1)
	if rand.IntN(20) > 0 {
		return
	}
	judges <- struct{}{}
	defer func() { <-judges }()
	folder, err := os.MkdirTemp("", "soak-")
	if err != nil {
		s.fault("%v", err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	// Independent verifiers judge the signed revision only, because they treat later revisions as
	// changes.
	path := filepath.Join(folder, "signed.pdf")
	if err := os.WriteFile(path, content[:report.Signatures[0].End], 0o600); err != nil {
		s.fault("%v", err)
		return
	}
	if found := s.judge.Signature(s.t.Context(), sample, path); found.Err() != nil {
		s.fault("an invalid document: %v", found.Err())
	}
	s.verified.Add(1)
}
