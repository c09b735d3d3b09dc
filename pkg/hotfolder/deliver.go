package hotfolder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// documentsAtOnce is how many documents are read from the store at a time.
const documentsAtOnce = 250

// deliver delivers the results that exist, and returns errAgain while the operation has not ended.
func (r *runner) deliver(ctx context.Context, op signing.Operation, items []*item) error {
	if !op.Status.Ended() {
		limited, cancel := context.WithTimeout(ctx, resultsEvery)
		defer cancel()
		now, err := r.cfg.Service.Wait(limited, op.ID)
		if err != nil {
			return err
		}
		op = now
	}
	byText := make(map[string]*item, len(items))
	for _, it := range items {
		byText[it.text] = it
	}
	ended := op.Status.Ended() // read before the documents, so that none is missed
	var fault error
	for from := 0; from < op.DocumentCount && len(byText) > 0; from += documentsAtOnce {
		docs, err := r.cfg.Service.Documents(ctx, op.ID, from, documentsAtOnce)
		if err != nil {
			return err
		}
		var results []result
		for i := range docs {
			d := &docs[i]
			it := byText[d.Name]
			if it == nil || !d.State.Ended() {
				continue
			}
			delete(byText, d.Name)
			results = append(results, resultOf(it, d))
		}
		// A fault of some results does not stop the others.
		fault = errors.Join(fault, r.finish(ctx, nil, results))
	}
	switch {
	case fault != nil:
		return fault
	case !ended:
		return errAgain
	}
	return r.rest(ctx, byText)
}

func resultOf(it *item, d *signing.Document) result {
	if d.State == signing.DocumentSigned {
		return result{item: it, content: &d.Content, signed: d}
	}
	failure := d.Failure
	if failure == nil {
		failure = &signing.Failure{}
	}
	return result{item: it, content: &d.Content, failure: failure}
}

// rest ends the claims that are no document of the operation: their delivery has begun, or they
// were not part of the submission and go back.
func (r *runner) rest(ctx context.Context, left map[string]*item) error {
	var delivered []*item
	for _, it := range left {
		if it.Delivered {
			delivered = append(delivered, it)
			continue
		}
		if err := r.putBack(ctx, it, false); err != nil && !errors.Is(err, ErrLost) {
			return err
		}
	}
	return r.finish(ctx, delivered, nil)
}

// finish delivers results and moves their originals to the backup folder. delivered are items whose
// delivery began earlier, perhaps by another instance.
func (r *runner) finish(ctx context.Context, delivered []*item, results []result) error {
	for _, it := range delivered {
		results = append(results, result{item: it})
	}
	if len(results) == 0 {
		return nil
	}
	staged := make([]error, len(results))
	forEach(results, func(i int, res result) {
		if !res.Delivered {
			staged[i] = r.prepare(ctx, &results[i])
		}
	})
	claims := make([]Claim, 0, len(results))
	ready := results[:0:0]
	var fault faults
	for i, res := range results {
		switch err := staged[i]; {
		case err == nil:
			claims, ready = append(claims, res.Claim), append(ready, res)
		case errors.Is(err, ErrChanged): // it has gone back
			r.files.file(r.client, "changed")
		case errors.Is(err, ErrLost):
		default:
			fault.add(err)
		}
	}
	if len(ready) > 0 {
		r.show(ctx, claims, ready, &fault)
	}
	r.turn.unwritableIf(fault.folder)
	return fault.all
}

// faults are what was wrong with some results.
type faults struct {
	all    error
	folder error // the part of all because of which no file should be claimed
}

func (f *faults) add(err error) {
	f.all = errors.Join(f.all, err)
	if !errors.Is(err, ErrUnreadable) && !errors.Is(err, ErrFormerOutput) {
		f.folder = errors.Join(f.folder, err)
	}
}

// prepare stages a result. If somebody wrote to the file after it was read, the file goes back and
// the error is ErrChanged. If it cannot go back, because a new file has its name, it fails.
func (r *runner) prepare(ctx context.Context, res *result) error {
	if err := r.stageWhole(ctx, res); err != nil {
		return err
	}
	return r.noteReason(ctx, *res)
}

// stageWhole is prepare without the note. A file that cannot be read any more cannot be compared,
// but its content is in the operation, and nobody else can read another one.
func (r *runner) stageWhole(ctx context.Context, res *result) error {
	err := r.stage(ctx, *res)
	if errors.Is(err, ErrUnreadable) {
		err = r.stageResult(ctx, *res)
	}
	switch {
	case signing.KindOf(err) == signing.KindAltered: // for good
		e := signing.AsError(err)
		res.fail(e.Kind, e.Detail)
		return r.stage(ctx, *res)
	case !errors.Is(err, ErrChanged):
		return err
	}
	back := r.putBack(ctx, res.item, false)
	if errors.Is(back, ErrExists) {
		res.fail(signing.KindDamaged, "the file was changed after it was read, and another file with its name came")
		return r.stageResult(ctx, *res)
	}
	if back != nil {
		return back
	}
	return err
}

func (res *result) fail(kind signing.Kind, detail string) {
	res.signed, res.failure = nil, &signing.Failure{Kind: kind, Detail: detail}
}

// show delivers staged results and ends their claims.
func (r *runner) show(ctx context.Context, claims []Claim, results []result, fault *faults) {
	var files, companions []BackupFile
	var names []string // of the results of files
	errs := r.storage.Deliver(ctx, r.run, claims)
	for i, res := range results {
		var text []byte
		var err error
		if errs != nil {
			err = errs[i]
		}
		if err == nil {
			text, err = r.reasonOf(ctx, res)
		}
		if err != nil {
			if !errors.Is(err, ErrLost) {
				fault.add(err)
			}
			continue
		}
		file := BackupFile{Claim: res.Claim}
		if text != nil {
			file.Beside = map[string][]byte{withSuffix(res.Name, textSuffix): text}
		}
		files, names = append(files, file), append(names, res.name())
		companions = append(companions, res.companions()...)
	}
	for i, err := range r.backup(ctx, files) {
		if err == nil { // a file is counted once, when its claim has ended
			r.files.file(r.client, names[i])
		} else if !errors.Is(err, ErrLost) {
			fault.add(err)
		}
	}
	for _, err := range r.backup(ctx, companions) {
		if err != nil && !errors.Is(err, ErrLost) {
			fault.add(err)
		}
	}
}

// companions returns how the sidecar and the marker of an item end.
func (it *item) companions() (list []BackupFile) {
	if it.sidecar != nil {
		list = append(list, BackupFile{Claim: *it.sidecar})
	}
	if it.marker != nil {
		list = append(list, BackupFile{Claim: *it.marker, Discard: true})
	}
	return list
}

// backup ends claims. It returns one error for each of them.
func (r *runner) backup(ctx context.Context, files []BackupFile) []error {
	if len(files) == 0 {
		return nil
	}
	if errs := r.storage.Backup(ctx, r.run, files); errs != nil {
		return errs
	}
	return make([]error, len(files))
}

// name returns the value of the metric for a result.
func (res result) name() string {
	switch {
	case res.signed != nil:
		return "signed"
	case res.failure != nil:
		return "failed"
	}
	return "resumed"
}

// textSuffix ends the name of a file that says why a document failed.
const textSuffix = ".txt"

// internalReason is the reason that is written if the kind of a failure is KindInternal.
const internalReason = "The document could not be signed because of a fault of the service."

// oneLine puts a list of mistakes into one line, which IsReason expects.
var oneLine = strings.NewReplacer(":\n  ", ": ", "\n  ", "; ", "\r", " ", "\n", "; ")

// reason returns the content of this file.
func reason(f *signing.Failure) []byte {
	text := f.Detail
	if text == "" {
		text = internalReason
	}
	if f.Kind != signing.KindInternal {
		text = string(f.Kind) + ": " + oneLine.Replace(text)
	}
	return []byte(text + "\n")
}

// The indexes of staged files. The receipt is shown first, so that it is there when a consumer sees
// the document.
const (
	receiptIndex = iota
	documentIndex
)

// stage writes the files of a result. ErrChanged if the file is not what the operation has.
func (r *runner) stage(ctx context.Context, res result) error {
	f, err := r.storage.Open(ctx, res.Claim)
	if err != nil {
		return err
	}
	if !res.known && res.content != nil {
		err = sameContent(f, res.content)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return r.stageResult(ctx, res)
}

// sameContent returns ErrChanged if a file has other content.
func sameContent(f File, want *signing.Content) error {
	if f.Size() != want.Size {
		return ErrChanged
	}
	digest := sha256.New()
	if _, err := io.Copy(digest, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return err
	}
	if [sha256.Size]byte(digest.Sum(nil)) != want.SHA256 {
		return ErrChanged
	}
	return nil
}

// stageResult writes the files of a result, also if the claimed file was changed.
func (r *runner) stageResult(ctx context.Context, res result) error {
	receipt := receipt{Reference: r.reference(), Document: res.text, Time: time.Now().UTC()}
	var err error
	if res.signed != nil {
		err = r.stageSigned(ctx, res, &receipt)
	} else {
		receipt.Status, receipt.Error = "failed", &receiptError{string(res.failure.Kind), res.failure.Detail}
		name := withSuffix(res.Name, textSuffix)
		err = r.storage.Stage(ctx, res.Claim, documentIndex, name, bytes.NewReader(reason(res.failure)))
	}
	if err != nil || !r.cfg.Receipts {
		return err
	}
	data, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		return err
	}
	return r.storage.Stage(
		ctx,
		res.Claim,
		receiptIndex,
		withSuffix(res.Name, ".json"),
		bytes.NewReader(append(data, '\n')),
	)
}

// stageSigned writes the signed document.
func (r *runner) stageSigned(ctx context.Context, res result, receipt *receipt) error {
	f, err := r.cfg.Service.OpenSigned(ctx, *res.signed)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	named := *res.signed
	named.Name = res.Name
	var content io.Reader = io.NewSectionReader(f, 0, f.Size())
	digest := sha256.New()
	if r.cfg.Receipts {
		content = io.TeeReader(content, digest)
	}
	name := signing.SignedName(&named)
	if suffix := name[min(len(res.Name), len(name)):]; suffix != "" {
		name = withSuffix(res.Name, suffix)
	}
	if err := r.storage.Stage(ctx, res.Claim, documentIndex, name, content); err != nil {
		return err
	}
	receipt.Status, receipt.Level = "signed", string(res.signed.Signature.Level)
	receipt.Certificate = res.signed.CertificateSerial
	receipt.Input = hex.EncodeToString(res.signed.Content.SHA256[:])
	receipt.Output = hex.EncodeToString(digest.Sum(nil))
	return nil
}

// receipt is the content of a receipt.
type receipt struct {
	Reference string `json:"reference"` // of the operation
	Document  string `json:"document"`
	Status    string `json:"status"` // signed or failed
	Level     string `json:"level,omitempty"`
	Input     string `json:"inputSha256,omitempty"`
	Output    string `json:"outputSha256,omitempty"`
	// Certificate is the serial number of the signing certificate (signing.Credential.Serial). It is
	// left out if an earlier release prepared the document.
	Certificate string        `json:"certificateSerial,omitempty"`
	Time        time.Time     `json:"time"`
	Error       *receiptError `json:"error,omitempty"`
}

type receiptError struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}
