package hotfolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// sidecarsNote is the key of the note with the files of a run that have a sidecar. It is written
// before the files are claimed. So a process that finds the run after a crash knows which settings
// it must not sign without.
const sidecarsNote = "sidecars"

// noteOf returns the text of a note that lists files.
func noteOf(names []string) []byte {
	var text []byte
	for _, name := range names {
		text = append(text, digestOf(name)+"\n"...)
	}
	return text
}

// isNoted reports whether a file is in the text of a note.
func isNoted(text []byte, name string) bool { return bytes.Contains(text, []byte(digestOf(name)+"\n")) }

// digestOf returns a text that stands for a name.
func digestOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:12])
}

// reasonNote returns the key of the note with the reason why a file failed. It is written before
// the delivery begins, because afterwards nothing else tells the reason after a crash.
func reasonNote(name string) string { return "reason-" + digestOf(name) }

// noteReason writes this note if a result is a failure.
func (r *runner) noteReason(ctx context.Context, res result) error {
	if res.failure == nil {
		return nil
	}
	return r.storage.Note(ctx, r.run, reasonNote(res.Name), reason(res.failure))
}

// reasonOf returns the text with the reason why a file failed; nil = it did not fail.
func (r *runner) reasonOf(ctx context.Context, res result) ([]byte, error) {
	switch {
	case res.failure != nil:
		return reason(res.failure), nil
	case res.signed != nil:
		return nil, nil
	}
	return r.storage.Noted(ctx, r.run, reasonNote(res.Name))
}
