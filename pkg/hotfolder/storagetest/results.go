package storagetest

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing/iotest"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

func (s *suite) deliver() {
	c := s.put(s.a, runA, "a.pdf", "b.pdf")
	s.stage(s.a, c[0], "a.pdf", "signed a")
	if err := s.a.Stage(s.Context(), c[0], 1, "a.pdf.json", strings.NewReader("{}")); err != nil {
		s.Fatal(err)
	}
	s.stage(s.a, c[1], "b.pdf", "signed b")
	s.files("output", s.Output(s.T)) // nothing is visible
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c[:1]))
	s.files("output", s.Output(s.T), runA.ID+"/a.pdf=signed a", runA.ID+"/a.pdf.json={}")
	if got := s.claimed(s.a, runA); len(got) != 2 || !got["a.pdf"].Delivered || got["b.pdf"].Delivered {
		s.Errorf("Claimed = %+v, want a.pdf delivered and b.pdf not", got)
	}
}

func (s *suite) deliverOnce() {
	c := s.put(s.a, runA, "a.pdf")
	s.stage(s.a, c[0], "a.pdf", "signed")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c))
	s.RemoveOutput(s.T, runA.ID+"/a.pdf")
	s.none("second Deliver", s.a.Deliver(s.Context(), runA, c)) // the caller does not know of the first one
	c[0].Delivered = true
	s.none("third Deliver", s.a.Deliver(s.Context(), runA, c))
	s.files("output", s.Output(s.T))
	s.none("Backup", s.a.Backup(s.Context(), runA, []hotfolder.BackupFile{{Claim: c[0]}}))
	s.is("Deliver of an ended claim", one(s.a.Deliver(s.Context(), runA, c)), hotfolder.ErrLost)
}

func (s *suite) deliverNameTaken() {
	c := s.put(s.a, runA, "a.pdf", "b.pdf", "c")
	s.stage(s.a, c[0], "x.pdf", "first")
	s.stage(s.a, c[1], "x.pdf", "second")
	s.stage(s.a, c[2], "x.pdf", "third")
	for i := range c {
		s.none("Deliver", s.a.Deliver(s.Context(), runA, c[i:i+1]))
	}
	s.files("output", s.Output(s.T), runA.ID+"/x.pdf=first", runA.ID+"/x~1.pdf=second", runA.ID+"/x~2.pdf=third")
}

func (s *suite) deliverNothing() {
	c := s.put(s.a, runA, "a.pdf")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c))
	s.files("output", s.Output(s.T))
	if got := s.claimed(s.a, runA); !got["a.pdf"].Delivered {
		s.Errorf("Claimed = %+v, want a.pdf delivered", got)
	}
}

func (s *suite) stageAgain() {
	c := s.put(s.a, runA, "a.pdf")
	s.stage(s.a, c[0], "first.pdf", "first, longer")
	s.stage(s.a, c[0], "second.pdf", "second")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c))
	s.files("output", s.Output(s.T), runA.ID+"/second.pdf=second")
}

func (s *suite) stageError() {
	c := s.put(s.a, runA, "a.pdf")
	broken := errors.New("broken")
	content := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))
	s.is("Stage", s.a.Stage(s.Context(), c[0], 0, "a.pdf", content), broken)
	s.stage(s.a, c[0], "a.pdf", "whole")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c))
	s.files("output", s.Output(s.T), runA.ID+"/a.pdf=whole")
}

func (s *suite) backup() {
	c := s.put(s.a, runA, "a.pdf", "b.pdf", "c.done")
	s.none("Backup", s.a.Backup(s.Context(), runA, []hotfolder.BackupFile{
		{Claim: c[0]},
		{Claim: c[1], Beside: map[string][]byte{"b.pdf.txt": []byte("why")}},
		{Claim: c[2], Discard: true},
	}))
	s.files("backup", s.Backup(s.T), runA.ID+"/a.pdf=content of a.pdf", runA.ID+"/b.pdf=content of b.pdf",
		runA.ID+"/b.pdf.txt=why")
	s.files("input", s.Input(s.T))
	if got := s.claimed(s.a, runA); len(got) != 0 {
		s.Errorf("Claimed = %v, want nothing", got)
	}
}

func (s *suite) backupTwice() {
	c := s.put(s.a, runA, "a.pdf")[0]
	file := []hotfolder.BackupFile{{Claim: c}}
	s.none("Backup", s.a.Backup(s.Context(), runA, file))
	s.is("second Backup", one(s.a.Backup(s.Context(), runA, file)), hotfolder.ErrLost)
	c = s.put(s.a, runA, "a.pdf")[0] // the run is the same, and so is the name
	s.none("third Backup", s.a.Backup(s.Context(), runA, []hotfolder.BackupFile{{Claim: c}}))
	if got := s.Backup(s.T); len(got) != 2 {
		s.Errorf("backup folder has %v, want two files", got)
	}
}

func (s *suite) takeOver() {
	c := s.put(s.a, runA, "a.pdf")[0]
	taken, err := s.b.TakeOver(s.Context(), runA)
	if want := (hotfolder.Run{Owner: 1, ID: runA.ID}); err != nil || taken != want {
		s.Fatalf("TakeOver = %v, %v, want %v", taken, err, want)
	}
	_, err = s.a.Open(s.Context(), c)
	s.is("Open", err, hotfolder.ErrLost)
	s.is("PutBack", s.a.PutBack(s.Context(), c), hotfolder.ErrLost)
	if err := s.a.Stage(s.Context(), c, 0, "a.pdf", strings.NewReader("by a")); err != nil {
		s.is("Stage", err, hotfolder.ErrLost)
	}
	s.is("Deliver", one(s.a.Deliver(s.Context(), runA, []hotfolder.Claim{c})), hotfolder.ErrLost)
	s.is("Backup", one(s.a.Backup(s.Context(), runA, []hotfolder.BackupFile{{Claim: c}})), hotfolder.ErrLost)
	if err := s.a.Release(s.Context(), runA); err != nil {
		s.Errorf("Release by the former owner = %v", err)
	}
	s.finish(taken, "by b")
}

// finish lets b deliver the only claim of a run, and checks the result.
func (s *suite) finish(run hotfolder.Run, content string) {
	s.Helper()
	c, ok := s.claimed(s.b, run)["a.pdf"]
	if !ok || c.Run != run {
		s.Fatalf("Claimed = %+v, want a.pdf of %v", c, run)
	}
	if got := s.read(s.b, c); got != "content of a.pdf" {
		s.Errorf("content = %q", got)
	}
	s.stage(s.b, c, "a.pdf", content)
	s.none("Deliver", s.b.Deliver(s.Context(), run, []hotfolder.Claim{c}))
	s.none("Backup", s.b.Backup(s.Context(), run, []hotfolder.BackupFile{{Claim: c}}))
	if err := s.b.Release(s.Context(), run); err != nil {
		s.Errorf("Release = %v", err)
	}
	s.files("output", s.Output(s.T), run.ID+"/a.pdf="+content)
	s.files("backup", s.Backup(s.T), run.ID+"/a.pdf=content of a.pdf")
}

func (s *suite) takeOverOneWinner() {
	s.put(s.a, runA, "a.pdf")
	instances := []hotfolder.Storage{s.b, s.Open(s.T, 2), s.Open(s.T, 3)}
	errs := make([]error, len(instances))
	var all sync.WaitGroup
	for i, storage := range instances {
		all.Go(func() { _, errs[i] = storage.TakeOver(s.Context(), runA) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		s.is("TakeOver", err, hotfolder.ErrGone)
	}
	if won != 1 {
		s.Errorf("%d instances took over the run, want one", won)
	}
}

// takeOverStaged shows what the new owner staged, and nothing of the former owner.
func (s *suite) takeOverStaged() {
	c := s.put(s.a, runA, "a.pdf")[0]
	s.stage(s.a, c, "by a.pdf", "by a")
	taken, err := s.b.TakeOver(s.Context(), runA)
	if err != nil {
		s.Fatal(err)
	}
	s.finish(taken, "by b")
}

// takeOverDelivered shows nothing again that the former owner has delivered.
func (s *suite) takeOverDelivered() {
	c := s.put(s.a, runA, "a.pdf")
	s.stage(s.a, c[0], "a.pdf", "by a")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c))
	s.RemoveOutput(s.T, runA.ID+"/a.pdf")
	taken, err := s.b.TakeOver(s.Context(), runA)
	if err != nil {
		s.Fatal(err)
	}
	got := s.claimed(s.b, taken)["a.pdf"]
	if !got.Delivered {
		s.Fatalf("claim = %+v, want it delivered", got)
	}
	// The new owner may have listed the claim before the former one delivered it.
	got.Delivered = false
	s.stage(s.b, got, "a.pdf", "by b")
	s.none("Deliver", s.b.Deliver(s.Context(), taken, []hotfolder.Claim{got}))
	s.files("output", s.Output(s.T))
	s.none("Backup", s.b.Backup(s.Context(), taken, []hotfolder.BackupFile{{Claim: got}}))
	s.files("backup", s.Backup(s.T), taken.ID+"/a.pdf=content of a.pdf")
}

func (s *suite) owners() {
	s.put(s.a, runA, "a.pdf")
	s.put(s.b, runB, "b.pdf")
	for _, storage := range []hotfolder.Storage{s.a, s.b} {
		if err := storage.Renew(s.Context()); err != nil {
			s.Fatalf("Renew = %v", err)
		}
	}
	owners, err := s.a.Owners(s.Context())
	if err != nil {
		s.Fatalf("Owners = %v", err)
	}
	seen := make(map[int]bool)
	for _, o := range owners {
		seen[o.Ordinal] = true
		if o.Silent < 0 {
			s.Errorf("owner %d is silent for %v", o.Ordinal, o.Silent)
		}
	}
	if len(owners) != 2 || !seen[0] || !seen[1] {
		s.Errorf("Owners = %v, want 0 and 1", owners)
	}
}
