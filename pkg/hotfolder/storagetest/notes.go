package storagetest

import (
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// note keeps texts with a run, also if the run has no claim yet, and through a change of owner.
func (s *suite) note() {
	if err := s.a.Note(s.Context(), runA, "first", []byte("1")); err != nil {
		s.Fatalf("Note before a claim = %v", err)
	}
	s.put(s.a, runA, "a.pdf")
	long := strings.Repeat("x", hotfolder.MaxNoteBytes)
	for _, text := range []string{"2", long} { // the second one replaces the first one
		if err := s.a.Note(s.Context(), runA, "second", []byte(text)); err != nil {
			s.Fatalf("Note = %v", err)
		}
	}
	s.noted(s.a, runA, map[string]string{"first": "1", "second": long, "third": ""})
	taken, err := s.b.TakeOver(s.Context(), runA)
	if err != nil {
		s.Fatal(err)
	}
	s.noted(s.b, taken, map[string]string{"first": "1", "second": long})
	_, err = s.a.Noted(s.Context(), runA, "first")
	s.is("Noted by the former owner", err, hotfolder.ErrLost)
	s.stage(s.b, s.claimed(s.b, taken)["a.pdf"], "a.pdf", "signed")
	s.finish(taken, "signed")
	for _, err := range s.b.Claimed(s.Context(), taken) {
		s.Errorf("the run is left: %v", err)
	}
	if runs := s.runs(s.b, 1); len(runs) != 0 {
		s.Errorf("Runs = %v, want none", runs)
	}
}

func (s *suite) noted(storage hotfolder.Storage, run hotfolder.Run, want map[string]string) {
	s.Helper()
	for key, text := range want {
		got, err := storage.Noted(s.Context(), run, key)
		if err != nil || string(got) != text || text == "" && got != nil {
			s.Errorf("Noted(%s) has %d bytes, %v, want %d", key, len(got), err, len(text))
		}
	}
}
