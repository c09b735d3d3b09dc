package storagetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// Folders is the three folders of one client service, as producers and consumers see them.
type Folders interface {
	// Open returns the Storage of an instance. The test closes it. Output and backup have a sub-folder
	// for each run.
	Open(t *testing.T, ordinal int) hotfolder.Storage
	// Put writes a file to the input folder, and replaces one with that name.
	Put(t *testing.T, name, content string)
	// Input, Output and Backup return the visible files of a folder by their path in it, with their
	// contents. What belongs to the Storage is not visible.
	Input(t *testing.T) map[string]string
	Output(t *testing.T) map[string]string
	Backup(t *testing.T) map[string]string
	// RemoveOutput removes a file from the output folder, as a consumer does.
	RemoveOutput(t *testing.T, path string)
	// Names returns file names that are unusual and allowed.
	Names() []string
}

// Run tests a Storage. fresh returns empty folders.
func Run(t *testing.T, fresh func(t *testing.T) Folders) {
	for name, test := range map[string]func(*suite){
		"List":                 (*suite).list,
		"Claim":                (*suite).claim,
		"ClaimOneWinner":       (*suite).claimOneWinner,
		"ClaimChanged":         (*suite).claimChanged,
		"Open":                 (*suite).open,
		"PutBack":              (*suite).putBack,
		"PutBackNameTaken":     (*suite).putBackNameTaken,
		"Deliver":              (*suite).deliver,
		"DeliverOnce":          (*suite).deliverOnce,
		"DeliverNameTaken":     (*suite).deliverNameTaken,
		"DeliverNothing":       (*suite).deliverNothing,
		"StageAgain":           (*suite).stageAgain,
		"StageError":           (*suite).stageError,
		"Backup":               (*suite).backup,
		"BackupTwice":          (*suite).backupTwice,
		"Release":              (*suite).release,
		"Note":                 (*suite).note,
		"TakeOver":             (*suite).takeOver,
		"TakeOverOneWinner":    (*suite).takeOverOneWinner,
		"TakeOverStaged":       (*suite).takeOverStaged,
		"TakeOverDelivered":    (*suite).takeOverDelivered,
		"Owners":               (*suite).owners,
		"SurvivesRestart":      (*suite).survivesRestart,
		"UnusualNames":         (*suite).unusualNames,
		"CheckFindsNoProblems": (*suite).check,
	} {
		t.Run(name, func(t *testing.T) {
			folders := fresh(t)
			test(&suite{T: t, Folders: folders, a: folders.Open(t, 0), b: folders.Open(t, 1)})
		})
	}
}

// suite is one test with two instances.
type suite struct {
	*testing.T
	Folders
	a, b hotfolder.Storage
}

// Runs of the tests: one of each instance, and a further one.
var (
	runA  = hotfolder.Run{Owner: 0, ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000001"}
	runA2 = hotfolder.Run{Owner: 0, ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000002"}
	runB  = hotfolder.Run{Owner: 1, ID: "0a2f6f0e-6d0b-4c1c-9f3f-000000000003"}
)

// entries returns what List yields, by name.
func (s *suite) entries(storage hotfolder.Storage) map[string]hotfolder.Entry {
	s.Helper()
	found := make(map[string]hotfolder.Entry)
	for e, err := range storage.List(s.Context()) {
		if err != nil {
			s.Fatalf("List = %v", err)
		}
		if _, twice := found[e.Name]; twice {
			s.Fatalf("List yields %q twice", e.Name)
		}
		found[e.Name] = e
	}
	return found
}

// claimed returns what Claimed yields, by name.
func (s *suite) claimed(storage hotfolder.Storage, run hotfolder.Run) map[string]hotfolder.Claim {
	s.Helper()
	found := make(map[string]hotfolder.Claim)
	for c, err := range storage.Claimed(s.Context(), run) {
		if err != nil {
			s.Fatalf("Claimed = %v", err)
		}
		found[c.Name] = c
	}
	return found
}

// put writes files and claims them for a run. It returns the claims in the order of names.
func (s *suite) put(storage hotfolder.Storage, run hotfolder.Run, names ...string) []hotfolder.Claim {
	s.Helper()
	for _, name := range names {
		s.Put(s.T, name, "content of "+name)
	}
	entries := s.entries(storage)
	var files []hotfolder.Entry
	for _, name := range names {
		files = append(files, entries[name])
	}
	s.none("Claim", storage.Claim(s.Context(), run, files))
	claims := s.claimed(storage, run)
	var list []hotfolder.Claim
	for _, name := range names {
		list = append(list, claims[name])
	}
	return list
}

// stage stages content as the only file of a result.
func (s *suite) stage(storage hotfolder.Storage, c hotfolder.Claim, name, content string) {
	s.Helper()
	if err := storage.Stage(s.Context(), c, 0, name, strings.NewReader(content)); err != nil {
		s.Fatalf("Stage(%q) = %v", name, err)
	}
}

// none fails the test if one of the errors is not nil.
func (s *suite) none(method string, errs []error) {
	s.Helper()
	if err := errors.Join(errs...); err != nil {
		s.Fatalf("%s = %v", method, err)
	}
}

// is fails the test if err is not want.
func (s *suite) is(method string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s = %v, want %v", method, err, want)
	}
}

// one returns the error of a method that was called with one element.
func one(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return errs[0]
}

// files fails the test if a folder does not hold exactly these paths and contents.
func (s *suite) files(folder string, got map[string]string, want ...string) {
	s.Helper()
	var list []string
	for path, content := range got {
		list = append(list, path+"="+content)
	}
	slices.Sort(list)
	slices.Sort(want)
	if !slices.Equal(list, want) {
		s.Errorf("%s folder has %q, want %q", folder, list, want)
	}
}

// read returns the content of a claim.
func (s *suite) read(storage hotfolder.Storage, c hotfolder.Claim) string {
	s.Helper()
	f, err := storage.Open(s.Context(), c)
	if err != nil {
		s.Fatalf("Open(%q) = %v", c.Name, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err = errors.Join(err, f.Unchanged()); err != nil {
		s.Fatalf("read %q = %v", c.Name, err)
	}
	return string(data)
}

// collect returns the elements of Runs.
func (s *suite) runs(storage hotfolder.Storage, owner int) []hotfolder.Run {
	s.Helper()
	var list []hotfolder.Run
	for r, err := range storage.Runs(context.WithoutCancel(s.Context()), owner) {
		if err != nil {
			s.Fatalf("Runs(%d) = %v", owner, err)
		}
		list = append(list, r)
	}
	return list
}
