package storagetest

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

func (s *suite) list() {
	if got := s.entries(s.a); len(got) != 0 {
		s.Errorf("List of an empty folder = %v", got)
	}
	s.Put(s.T, "a.pdf", "1")
	s.Put(s.T, "b.xml", "22")
	got := s.entries(s.a)
	if len(got) != 2 || got["a.pdf"].Size != 1 || got["b.xml"].Size != 2 {
		s.Errorf("List = %+v, want a.pdf with 1 byte and b.xml with 2", got)
	}
	for name, e := range got {
		again, err := s.a.Stat(s.Context(), name)
		if err != nil || again.Version != e.Version || again.Size != e.Size || again.Irregular != "" {
			s.Errorf("Stat(%q) = %+v, %v, want %+v", name, again, err, e)
		}
	}
	_, err := s.a.Stat(s.Context(), "missing")
	s.is("Stat of a missing file", err, hotfolder.ErrGone)
	for e, err := range s.a.List(s.Context()) { // a caller may stop early
		if err != nil || e.Name == "" {
			s.Errorf("List = %+v, %v", e, err)
		}
		break
	}
	s.Put(s.T, "a.pdf", "other")
	if again, err := s.a.Stat(s.Context(), "a.pdf"); err != nil || again.Version == got["a.pdf"].Version {
		s.Errorf("Stat of a replaced file = %+v, %v, want a new version", again, err)
	}
}

func (s *suite) claim() {
	claims := s.put(s.a, runA, "a.pdf", "b.pdf")
	s.Put(s.T, "c.pdf", "3")
	for _, c := range claims {
		if c.Run != runA || c.Delivered || c.Size != int64(len("content of "+c.Name)) {
			s.Errorf("claim = %+v", c)
		}
	}
	if got := slices.Collect(maps.Keys(s.entries(s.b))); len(got) != 1 || got[0] != "c.pdf" {
		s.Errorf("List after the claims = %q, want c.pdf", got)
	}
	if got := s.claimed(s.a, runA); len(got) != 2 {
		s.Errorf("Claimed = %v, want two", got)
	}
	if got := s.runs(s.b, 0); len(got) != 1 || got[0] != runA {
		s.Errorf("Runs = %v, want %v", got, runA)
	}
	if got := s.claimed(s.a, runA2); len(got) != 0 {
		s.Errorf("Claimed of an unknown run = %v, want nothing", got)
	}
}

func (s *suite) claimOneWinner() {
	const files = 40
	for i := range files {
		s.Put(s.T, fmt.Sprintf("%02d.pdf", i), "x")
	}
	var both sync.WaitGroup
	won := make([]map[string]bool, 2)
	for i, storage := range []hotfolder.Storage{s.a, s.b} {
		run := []hotfolder.Run{runA, runB}[i]
		entries := slices.Collect(maps.Values(s.entries(storage)))
		won[i] = make(map[string]bool)
		both.Go(func() {
			for group := range slices.Chunk(entries, 4) {
				errs := storage.Claim(s.Context(), run, group)
				for j, e := range group {
					if errs == nil || errs[j] == nil {
						won[i][e.Name] = true
						continue
					}
					s.is("Claim", errs[j], hotfolder.ErrGone)
				}
			}
		})
	}
	both.Wait()
	if len(won[0])+len(won[1]) != files {
		s.Errorf("the instances claimed %d and %d of %d files", len(won[0]), len(won[1]), files)
	}
	for name := range won[0] {
		if won[1][name] {
			s.Errorf("both instances claimed %s", name)
		}
	}
	if a, b := len(s.claimed(s.a, runA)), len(s.claimed(s.b, runB)); a != len(won[0]) || b != len(won[1]) {
		s.Errorf("Claimed has %d and %d claims, want %d and %d", a, b, len(won[0]), len(won[1]))
	}
}

func (s *suite) claimChanged() {
	s.Put(s.T, "a.pdf", "first")
	s.Put(s.T, "b.pdf", "first")
	old := s.entries(s.a)
	s.Put(s.T, "a.pdf", "second, longer")
	errs := s.a.Claim(s.Context(), runA, []hotfolder.Entry{old["a.pdf"], old["b.pdf"]})
	if len(errs) != 2 {
		s.Fatalf("Claim = %v, want two errors", errs)
	}
	s.is("Claim of another version", errs[0], hotfolder.ErrChanged)
	s.is("Claim of the same version", errs[1], nil)
	s.files("input", s.Input(s.T), "a.pdf=second, longer")
	if got := s.claimed(s.a, runA); len(got) != 1 {
		s.Errorf("Claimed = %v, want b.pdf", got)
	}
}

func (s *suite) open() {
	c := s.put(s.a, runA, "a.pdf")[0]
	if got := s.read(s.a, c); got != "content of a.pdf" {
		s.Errorf("content = %q", got)
	}
	s.none("Claim", s.a.Claim(s.Context(), runA, nil))
	s.none("Backup", s.a.Backup(s.Context(), runA, []hotfolder.BackupFile{{Claim: c}}))
	_, err := s.a.Open(s.Context(), c)
	s.is("Open of an ended claim", err, hotfolder.ErrLost)
}

func (s *suite) putBack() {
	c := s.put(s.a, runA, "a.pdf")[0]
	if err := s.a.PutBack(s.Context(), c); err != nil {
		s.Fatalf("PutBack = %v", err)
	}
	s.files("input", s.Input(s.T), "a.pdf=content of a.pdf")
	if got := s.claimed(s.a, runA); len(got) != 0 {
		s.Errorf("Claimed = %v, want nothing", got)
	}
	s.is("second PutBack", s.a.PutBack(s.Context(), c), hotfolder.ErrLost)
	e := s.entries(s.b)["a.pdf"]
	s.none("Claim by another instance", s.b.Claim(s.Context(), runB, []hotfolder.Entry{e}))
}

func (s *suite) putBackNameTaken() {
	c := s.put(s.a, runA, "a.pdf")[0]
	s.Put(s.T, "a.pdf", "newer")
	s.is("PutBack", s.a.PutBack(s.Context(), c), hotfolder.ErrExists)
	s.files("input", s.Input(s.T), "a.pdf=newer")
	if got := s.read(s.a, c); got != "content of a.pdf" {
		s.Errorf("content of the claim = %q", got)
	}
}

func (s *suite) release() {
	c := s.put(s.a, runA, "a.pdf")[0]
	s.is("Release with a claim", s.a.Release(s.Context(), runA), hotfolder.ErrExists)
	s.stage(s.a, c, "a.pdf", "signed")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, []hotfolder.Claim{c}))
	s.none("Backup", s.a.Backup(s.Context(), runA, []hotfolder.BackupFile{{Claim: c}}))
	for range 2 {
		if err := s.a.Release(s.Context(), runA); err != nil {
			s.Errorf("Release = %v", err)
		}
	}
	if got := s.runs(s.a, 0); len(got) != 0 {
		s.Errorf("Runs = %v, want nothing", got)
	}
}

func (s *suite) survivesRestart() {
	c := s.put(s.a, runA, "a.pdf", "b.pdf")
	s.stage(s.a, c[0], "a.pdf", "signed")
	s.none("Deliver", s.a.Deliver(s.Context(), runA, c[:1]))
	if err := s.a.Close(); err != nil {
		s.Fatal(err)
	}
	again := s.Open(s.T, 0)
	got := s.claimed(again, runA)
	if len(got) != 2 || !got["a.pdf"].Delivered || got["b.pdf"].Delivered {
		s.Errorf("Claimed = %+v, want a.pdf delivered and b.pdf not", got)
	}
	if got := s.read(again, got["b.pdf"]); got != "content of b.pdf" {
		s.Errorf("content = %q", got)
	}
}

func (s *suite) unusualNames() {
	names := s.Names()
	claims := s.put(s.a, runA, names...)
	var files []hotfolder.BackupFile
	var want []string
	for i, c := range claims {
		if c.Name != names[i] {
			s.Fatalf("claim of %q has the name %q", names[i], c.Name)
		}
		if got := s.read(s.a, c); got != "content of "+c.Name {
			s.Errorf("content of %q = %q", c.Name, got)
		}
		s.stage(s.a, c, c.Name, "signed")
		files = append(files, hotfolder.BackupFile{Claim: c})
		want = append(want, runA.ID+"/"+c.Name)
	}
	s.none("Deliver", s.a.Deliver(s.Context(), runA, claims))
	s.none("Backup", s.a.Backup(s.Context(), runA, files))
	slices.Sort(want)
	for folder, got := range map[string]map[string]string{"output": s.Output(s.T), "backup": s.Backup(s.T)} {
		if got := slices.Sorted(maps.Keys(got)); !slices.Equal(got, want) {
			s.Errorf("%s folder has %q, want %q", folder, got, want)
		}
	}
}

func (s *suite) check() {
	findings := s.a.Check(s.Context())
	if len(findings) == 0 {
		s.Error("Check found nothing")
	}
	for _, f := range findings {
		if !f.OK || f.Detail == "" {
			s.Errorf("finding = %+v", f)
		}
	}
	if in, out, backup := s.Input(s.T), s.Output(s.T), s.Backup(s.T); len(in)+len(out)+len(backup) != 0 {
		s.Errorf("Check left %v, %v, %v", in, out, backup)
	}
}
