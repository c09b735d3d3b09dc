package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// piece is a part of a long list that fits into one transaction.
type piece[T any] struct {
	items []T
	bytes int
}

// split cuts a list into pieces of groupBytes at most, so that the WAL stays small even if a caller
// brings much data.
func split[T any](items []T, size func(T) int) []piece[T] {
	var pieces []piece[T]
	start, bytes := 0, 0
	for i, item := range items {
		n := size(item)
		if i > start && bytes+n > groupBytes {
			pieces = append(pieces, piece[T]{items[start:i], bytes})
			start, bytes = i, 0
		}
		bytes += n
	}
	if start < len(items) {
		pieces = append(pieces, piece[T]{items[start:], bytes})
	}
	return pieces
}

// ending is a DocumentResult, the text of its list of pieces, and the place of its section.
type ending struct {
	signing.DocumentResult
	list   string
	inFile bool
	at     int64
}

// endings are results whose sections are in place.
type endings struct {
	list  []ending
	sizes map[signing.ID]int64 // new lengths of the files that got sections
	bytes int                  // estimate of what they add to the database
	// from is the state that documents have before they become signed.
	from signing.DocumentState
}

// FinishDocuments implements signing.Journal. It stores all of the results, or none on ErrConflict.
func (j *journal) FinishDocuments(ctx context.Context, results []signing.DocumentResult) error {
	j.db.step("finish")
	ended, err := j.spool.place(results, signing.DocumentValued)
	if err != nil {
		return err
	}
	j.db.step("finish: sections in place")
	return j.db.do(ctx, ended.bytes, func(t *tx) error { return t.finish(ended) })
}

// place puts large sections behind the documents of their operations.
func (s *spool) place(results []signing.DocumentResult, from signing.DocumentState) (ended endings, err error) {
	list := make([]ending, len(results))
	for i, r := range results {
		if (r.Failure == nil) == (len(r.Section) == 0) {
			return ended, errors.New("finish document: exactly one of section and failure must be set")
		}
		list[i].DocumentResult, list[i].list = r, encodePieces(r.Pieces)
	}
	ended = endings{list: list, from: from}
	if ended.sizes, err = s.placeSections(list); err != nil {
		return ended, err
	}
	for _, e := range list {
		if ended.bytes += 64 + len(e.list); !e.inFile {
			ended.bytes += len(e.Section)
		}
	}
	return ended, nil
}

// placeSections appends the sections of each operation that has more than smallSections bytes of
// them to the operation's file. It returns the new lengths of these files.
func (s *spool) placeSections(endings []ending) (map[signing.ID]int64, error) {
	byOperation := make(map[signing.ID][]int, 1)
	bytes := make(map[signing.ID]int, 1)
	for i, e := range endings {
		if len(e.Section) > 0 {
			byOperation[e.Operation] = append(byOperation[e.Operation], i)
			bytes[e.Operation] += len(e.Section)
		}
	}
	sizes := make(map[signing.ID]int64)
	for id, indexes := range byOperation {
		if bytes[id] <= smallSections {
			continue
		}
		sections := make([][]byte, len(indexes))
		for k, i := range indexes {
			sections[k] = endings[i].Section
		}
		at, size, err := s.appendSections(id, sections)
		if err != nil {
			return nil, err
		}
		sizes[id] = size
		for k, i := range indexes {
			endings[i].inFile, endings[i].at = true, at[k]
		}
	}
	return sizes, nil
}

func (t *tx) finish(ended endings) error {
	refs := make([]signing.Ref, len(ended.list))
	for i, e := range ended.list {
		refs[i] = e.Ref
	}
	ids, err := t.documentIDs(refs)
	if err != nil {
		return err
	}
	for i, e := range ended.list {
		if err := t.finishOne(ids[i], e, ended.from); err != nil {
			return err
		}
	}
	if _, err := t.exec("DELETE FROM prepared WHERE id IN (SELECT value FROM json_each(?))", idList(ids)); err != nil {
		return fmt.Errorf("delete prepared: %w", err)
	}
	for id, size := range ended.sizes {
		if _, err := t.exec("UPDATE operations SET bytes = max(bytes, ?) WHERE id = ?", size, int64(id)); err != nil {
			return fmt.Errorf("update size: %w", err)
		}
	}
	for id, size := range addedMetadata(ended.list) {
		if _, err := t.exec("UPDATE operations SET metadata = metadata + ? WHERE id = ?", size, int64(id)); err != nil {
			return fmt.Errorf("update size: %w", err)
		}
	}
	return nil
}

// addedMetadata is how many bytes of sections and lists go into the database, by operation.
func addedMetadata(endings []ending) map[signing.ID]int {
	sizes := make(map[signing.ID]int, 1)
	for _, e := range endings {
		n := len(e.list)
		if !e.inFile {
			n += len(e.Section)
		}
		if n > 0 {
			sizes[e.Operation] += n
		}
	}
	return sizes
}

func (t *tx) finishOne(id int64, e ending, from signing.DocumentState) error {
	if e.Failure != nil {
		return t.mustChange(1, `UPDATE progress SET state = 'failed', value = NULL, failure_kind = ?, failure_detail = ?
			WHERE id = ? AND state NOT IN ('signed', 'failed')`, string(e.Failure.Kind), e.Failure.Detail, id)
	}
	if err := t.finishSigned(id, e, from); err != nil || e.inFile {
		return err
	}
	if _, err := t.exec("INSERT INTO sections (id, section) VALUES (?, ?)", id, e.Section); err != nil {
		return fmt.Errorf("insert section: %w", err)
	}
	return nil
}

// finishSigned records that a document is signed. It refuses a list of pieces that does not fit the
// document.
func (t *tx) finishSigned(id int64, e ending, from signing.DocumentState) error {
	var at, list, certificate any // NULL
	if e.inFile {
		at = e.at
	}
	if e.list != "" {
		list = e.list
	}
	if e.Certificate != "" {
		certificate = e.Certificate
	}
	var original int64
	err := t.get(`UPDATE progress
		SET state = 'signed', value = NULL, section_at = ?, section_size = ?, section_sha256 = ?, pieces = ?,
			certificate = ?
		WHERE id = ? AND state = ? RETURNING (SELECT size FROM documents WHERE documents.id = progress.id)`,
		[]any{at, len(e.Section), sectionDigest(e.Section, e.list), list, certificate, id, string(from)}, &original)
	if errors.Is(err, sql.ErrNoRows) {
		return signing.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("update progress: %w", err)
	}
	if e.Pieces == nil {
		return nil
	}
	if err := e.Pieces.Check(original, int64(len(e.Section))); err != nil {
		refusal := signing.Errorf(signing.KindInternal, "the parts of the signed document do not fit together")
		return refusal.Because(err)
	}
	return nil
}

// sectionDigest is what progress.section_sha256 holds.
func sectionDigest(section []byte, list string) []byte {
	h := sha256.New()
	h.Write(section)
	h.Write([]byte(list))
	return h.Sum(nil)
}
