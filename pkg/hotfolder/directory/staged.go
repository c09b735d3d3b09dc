//go:build linux

package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// maxIndex is the largest index of a staged file.
const maxIndex = 9

// maxNameBytes is the longest name that Linux file systems accept.
const maxNameBytes = 255

// stagedName is the parsed name of a staged file: who staged it, its index, and of which claim it
// is. The name in the output folder follows. If the whole would be longer than a name may be, it is
// a folder with the file inside.
type stagedName struct {
	marker int
	index  int
	claim  string // digest of the claim's name
	name   string // in the output folder; empty = the file in the folder has it
}

// claimDigest returns the text that stands for the name of a claim.
func claimDigest(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:12])
}

// prefix returns what all staged files with that owner, index and claim begin with.
func (s stagedName) prefix() string {
	return itoa(s.marker) + "-" + itoa(s.index) + "-" + s.claim + "-"
}

func (s stagedName) String() string {
	if whole := s.prefix() + s.name; len(whole) <= maxNameBytes {
		return whole
	}
	return s.prefix()
}

// parseStaged is the inverse of stagedName.String.
func parseStaged(text string) (s stagedName, ok bool) {
	parts := strings.SplitN(text, "-", 4)
	if len(parts) != 4 || len(parts[2]) != 24 {
		return s, false
	}
	var err1, err2 error
	s.marker, err1 = strconv.Atoi(parts[0])
	s.index, err2 = strconv.Atoi(parts[1])
	s.claim, s.name = parts[2], parts[3]
	return s, err1 == nil && err2 == nil
}

// stagedFiles remembers the names of the files that this instance has staged, by run and prefix. So
// a file can be replaced whose name was another one, without listing the folder each time. It is
// safe for concurrent use.
type stagedFiles struct {
	mu   sync.Mutex
	runs map[string]map[string]string
}

// earlier returns the file that was staged before with the prefix of name, and notes name. It reads
// the folder once for each run.
func (s *stagedFiles) earlier(run string, d *dir, name stagedName) (old string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.runs[run]
	if known == nil {
		known = make(map[string]string)
		err = d.each(func(file string, _ fs.FileMode) bool {
			if at, ok := parseStaged(file); ok && at.marker == name.marker {
				known[at.prefix()] = file
			}
			return true
		})
		if err != nil {
			return "", err
		}
		s.runs[run] = known
	}
	old = known[name.prefix()]
	known[name.prefix()] = name.String()
	if old == name.String() {
		old = ""
	}
	return old, nil
}

// forget drops what is known of a run.
func (s *stagedFiles) forget(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, run)
}

// stagedOf lists the staged files in a folder by marker and claim, each list in the order of index.
func stagedOf(d *dir) (map[stagedName][]stagedName, error) {
	list := make(map[stagedName][]stagedName)
	err := d.each(func(file string, _ fs.FileMode) bool {
		if s, ok := parseStaged(file); ok {
			key := stagedName{marker: s.marker, claim: s.claim}
			list[key] = append(list[key], s)
		}
		return true
	})
	for _, files := range list {
		slices.SortFunc(files, func(a, b stagedName) int { return a.index - b.index })
	}
	return list, err
}

// missing reports whether a folder lacks a file that this instance has staged for a claim.
func (s *stagedFiles) missing(c hotfolder.Claim, d *dir) bool {
	s.mu.Lock()
	var names []string
	digest := claimDigest(c.Name)
	for index := range maxIndex + 1 {
		prefix := stagedName{marker: c.Owner, index: index, claim: digest}.prefix()
		if name, ok := s.runs[c.ID][prefix]; ok {
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	for _, name := range names {
		if !d.exists(name) {
			return true
		}
	}
	return false
}
