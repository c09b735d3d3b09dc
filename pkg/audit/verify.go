package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Report is the result of Verify.
type Report struct {
	Files   int
	Records int
	// ByOutcome counts the records.
	ByOutcome map[Outcome]int
	First     string // the hash that the oldest file continues
	Last      string // the last hash of the chain
	Faults    []string
	// Torn says that the newest file ends in the middle of a line, because a process died or is
	// writing there now.
	Torn bool
}

// Reader is called by Verify for every complete line, with the hash and the record of the line. The
// record of a Head is nil.
type Reader func(hash string, record *Record)

// Verify reads all files of a folder and follows the chain through them. It returns an error only
// if it cannot read. The faults of the chain are in Report.Faults. each may be nil.
func Verify(folder string, each Reader) (Report, error) {
	r := Report{ByOutcome: map[Outcome]int{}}
	files, err := list(folder)
	if err != nil {
		return r, err
	}
	if r.Faults, err = strays(folder, files); err != nil {
		return r, err
	}
	for i, name := range files {
		f, err := os.Open(filepath.Join(folder, name))
		if err != nil {
			return r, fmt.Errorf("open audit file: %w", err)
		}
		read := readFile(f, func(hash string, record *Record) {
			if record != nil {
				r.Records++
				r.ByOutcome[record.Outcome]++
			}
			if each != nil {
				each(hash, record)
			}
		})
		_ = f.Close()
		r.add(name, files[max(i-1, 0)], read, i == len(files)-1)
	}
	return r, nil
}

// add adds the result of one file. before is the name of the file before it, or of the file itself
// if it is the oldest. newest says whether it is the newest file.
func (r *Report) add(name, before string, read fileRead, newest bool) {
	fault := func(format string, args ...any) { r.Faults = append(r.Faults, fmt.Sprintf(format, args...)) }
	r.Files++
	if name == before {
		r.First = read.head.Continues
	} else if read.lines > 0 && read.head.Continues != r.Last {
		fault("%s does not continue the file before it", name)
	}
	started := read.head.Opened.UTC()
	if read.lines > 0 && renamed(name, before, started) {
		fault("%s was renamed: it was started on %s", name, started.Format(dayForm))
	}
	if read.head.Broken != "" {
		fault("%s was started because of a fault in the file before it: %s", name, read.head.Broken)
	}
	switch {
	case read.torn && newest:
		r.Torn = true
	case read.fault != nil:
		fault("%s line %d: %v", name, read.lines+1, read.fault)
	}
	if read.lines > 0 {
		r.Last = read.last
	}
}

// strays returns a fault for every file that begins like an audit file and does not have the name
// of one, so that a renamed file is not taken for a missing one. Other files are ignored.
func strays(folder string, files []string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list audit files: %w", err)
	}
	var faults []string
	for _, e := range entries {
		if !e.Type().IsRegular() || slices.Contains(files, e.Name()) {
			continue
		}
		if at, ok := opened(filepath.Join(folder, e.Name())); ok {
			faults = append(faults,
				fmt.Sprintf("%s was renamed: it is an audit file that was started on %s", e.Name(), at.UTC().Format(dayForm)))
		}
	}
	return faults, nil
}

// renamed reports whether a file does not have the name that it was begun with. before is the name
// of the file before it. For the oldest file it is the name of the file itself, because the file
// before it is not known.
func renamed(name, before string, opened time.Time) bool {
	if name != before {
		return name != nextName(before, opened)
	}
	// A file that was begun after the clock was set back has a later day than that of its first line,
	// and a number.
	date, number, _ := parseName(name)
	today := opened.Format(dayForm)
	return date < today || date > today && number == 0
}

// fileRead is the result of reading one file.
type fileRead struct {
	head  Head
	lines int    // lines that are complete and fit the chain
	last  string // hash of the last of these lines
	good  int64  // bytes of these lines
	fault error  // why the line after them is not valid; nil = the file ends there
	torn  bool   // the fault is that the last line is incomplete
}

var (
	errTorn  = errors.New("the line is incomplete")
	errForm  = errors.New("it is not an audit line")
	errChain = errors.New("its hash does not match the lines before it")
)

// readFile follows the chain of one file from its beginning.
func readFile(f io.Reader, each Reader) (r fileRead) {
	in := bufio.NewReaderSize(f, maxLine)
	for {
		text, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			if len(text) > 0 {
				r.fault, r.torn = errTorn, true
			}
			return r
		}
		if err != nil {
			r.fault = err // the line is too long, or the disk cannot be read
			return r
		}
		if r.fault = r.take(bytes.TrimSuffix(text, []byte{'\n'}), each); r.fault != nil {
			return r
		}
		r.lines++
		r.good += int64(len(text))
	}
}

// take checks one line, and passes it to each.
func (r *fileRead) take(text []byte, each Reader) error {
	if len(text) < hashDigits+1 || text[hashDigits] != ' ' {
		return errForm
	}
	hash, body := string(text[:hashDigits]), text[hashDigits+1:]
	before := r.last
	if r.lines == 0 {
		if err := json.Unmarshal(body, &r.head); err != nil || r.head.Audit != version {
			return errForm
		}
		before = r.head.Continues
	}
	if next(before, body) != hash {
		return errChain
	}
	var record *Record
	if r.lines > 0 {
		record = &Record{}
		if err := json.Unmarshal(body, record); err != nil {
			return errForm
		}
	}
	if each != nil {
		each(hash, record)
	}
	r.last = hash
	return nil
}
