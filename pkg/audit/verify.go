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

// Report is what Verify found.
type Report struct {
	Files   int
	Records int
	// ByOutcome counts the records.
	ByOutcome map[Outcome]int
	First     string // the hash that the oldest file continues
	Last      string // the last one of the chain
	Faults    []string
	// Torn says that the newest file ends in the middle of a line: a process died there, or writes
	// there now.
	Torn bool
}

// Reader is what Verify calls with every line that is whole: with its hash, and its record. A Head
// has none.
type Reader func(hash string, record *Record)

// Verify reads all files of a folder and follows the chain through them. The error is about
// reading; what is wrong with the chain is in Report.Faults. each may be nil.
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
		r.Files++
		if i == 0 {
			r.First = read.head.Continues
		} else if read.lines > 0 && read.head.Continues != r.Last {
			r.Faults = append(r.Faults, fmt.Sprintf("%s does not continue the file before it", name))
		}
		if before := files[max(i-1, 0)]; read.lines > 0 && renamed(name, before, read.head.Opened.UTC()) {
			r.Faults = append(
				r.Faults,
				fmt.Sprintf("%s was renamed: it was begun on %s", name, read.head.Opened.UTC().Format(dayForm)),
			)
		}
		if read.head.Broken != "" {
			r.Faults = append(r.Faults, fmt.Sprintf("%s was begun because of a fault: %s", name, read.head.Broken))
		}
		switch newest := i == len(files)-1; {
		case read.torn && newest:
			r.Torn = true
		case read.fault != nil:
			r.Faults = append(r.Faults, fmt.Sprintf("%s line %d: %v", name, read.lines+1, read.fault))
		}
		if read.lines > 0 {
			r.Last = read.last
		}
	}
	return r, nil
}

// strays names the files that begin as audit files do and are not called like one, so that a
// renamed file does not pass for a missing one. Other files are ignored.
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
			faults = append(
				faults,
				fmt.Sprintf("%s was renamed: it is an audit file begun on %s", e.Name(), at.UTC().Format(dayForm)),
			)
		}
	}
	return faults, nil
}

// renamed says whether a file does not have the name that it was begun with. before is the file
// before it; the oldest file is its own: what was before it is not known.
func renamed(name, before string, opened time.Time) bool {
	if name != before {
		return name != nextName(before, opened)
	}
	// A later day than that of its first line, and a number, are those of a file that was begun after
	// the clock was put back.
	date, number, _ := parseName(name)
	today := opened.Format(dayForm)
	return date < today || date > today && number == 0
}

// fileRead is what was found in one file.
type fileRead struct {
	head  Head
	lines int    // that are whole and fit
	last  string // hash of the last of them
	good  int64  // bytes that they take
	fault error  // why the line behind them is not one; nil = the file ends there
	torn  bool   // the fault is that the last line has no end
}

var (
	errTorn  = errors.New("the line has no end")
	errForm  = errors.New("it is no audit line")
	errChain = errors.New("it does not fit what comes before it")
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
			r.fault = err // a line that is too long, or a disk that cannot be read
			return r
		}
		if r.fault = r.take(bytes.TrimSuffix(text, []byte{'\n'}), each); r.fault != nil {
			return r
		}
		r.lines++
		r.good += int64(len(text))
	}
}

// take checks one line.
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
