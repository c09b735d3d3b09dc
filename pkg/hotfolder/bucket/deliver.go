package bucket

import (
	"context"
	"errors"
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// maxNumber bounds the search for a free name. Each step is a request.
const maxNumber = 1000

// Deliver implements hotfolder.Results.
//
// It prepares an invisible copy of each staged file under its final key, writes the record of the
// delivery with the tickets of all copies, and then shows them. The record is written once, so two
// owners that deliver the same claim show the same copies, and the store shows each of them once.
func (r *results) Deliver(ctx context.Context, run hotfolder.Run, claims []hotfolder.Claim) []error {
	if len(claims) == 0 {
		return nil
	}
	if err := r.mine(ctx, run); err != nil {
		return alike(len(claims), err)
	}
	return each(len(claims), func(i int) error { return r.deliver(ctx, run, claims[i]) })
}

// deliver shows the files of one claim.
func (r *results) deliver(ctx context.Context, run hotfolder.Run, c hotfolder.Claim) error {
	original, err := r.held(ctx, hotfolder.Claim{Run: run, Name: c.Name})
	if err != nil {
		return err
	}
	key := r.delivery(run.ID, original.meta[claimID])
	d := &delivering{results: r, run: run, document: c.Name, claim: original.meta[claimID]}
	d.object, err = load(ctx, r.store, key, &d.deliveryRecord)
	if errors.Is(err, errNotFound) {
		err = d.begin(ctx, key)
	}
	if err != nil {
		return err
	}
	for i := 0; i < len(d.Files); i++ { // a file that vanished adds one
		if err := d.showFile(ctx, i); err != nil {
			return hotfolder.OfFile(string(d.Files[i].Name), fmt.Errorf("show a result: %w", err))
		}
	}
	return nil
}

// delivering is the delivery of a claim with its record in the store.
type delivering struct {
	*results
	run      hotfolder.Run
	document string // name of the claimed file
	claim    string // ID of the claim
	deliveryRecord
	object // where the record is
}

// begin prepares all files of a claim and writes the record. If another owner was faster, it takes
// over the other's record.
func (d *delivering) begin(ctx context.Context, key string) error {
	files, err := d.stagedFiles(ctx, d.run, d.claim)
	if err != nil {
		return err
	}
	ours := deliveryRecord{Nonce: nonce()}
	for _, f := range files {
		t := transfer{From: []byte(f.key), Name: []byte(f.name)}
		if err = d.prepareFile(ctx, f.object, &t); err != nil {
			break
		}
		ours.Files = append(ours.Files, t)
	}
	if err == nil {
		d.object, err = save(ctx, d.store, key, ours, when{absent: true})
	}
	if err == nil {
		d.deliveryRecord = ours
		return nil
	}
	if !errors.Is(err, errCondition) {
		return err // the record may be written, so its copies must stay
	}
	for _, t := range ours.Files {
		d.abandon(ctx, string(t.Key), t.Ticket)
	}
	d.object, err = load(ctx, d.store, key, &d.deliveryRecord)
	return err
}

// prepareFile makes the invisible copy of a staged file under the next free name.
func (d *delivering) prepareFile(ctx context.Context, from object, t *transfer) error {
	key, number, err := d.free(ctx, d.output(d.run.ID), string(t.Name), t.Number)
	if err != nil {
		return err
	}
	made, err := d.prepare(ctx, key, from, nil)
	if err != nil {
		return err
	}
	t.Key, t.Number, t.Ticket = []byte(key), number, made
	return nil
}

// free returns the first key, from a number on, that no object has.
func (s *shared) free(ctx context.Context, prefix, name string, number int) (string, int, error) {
	for ; number <= maxNumber; number++ {
		key := prefix + numbered(name, number)
		_, err := s.head(ctx, key)
		if errors.Is(err, errNotFound) {
			return key, number, nil
		}
		if err != nil {
			return "", 0, err
		}
	}
	return "", 0, hotfolder.OfFile(name,
		fmt.Errorf("in %s the name of the file and the names with the numbers up to %d are taken", prefix, maxNumber))
}

// showFile shows one file. While its name is taken, it prepares a copy under another name.
func (d *delivering) showFile(ctx context.Context, i int) error {
	for !d.Files[i].Gone {
		t := d.Files[i]
		err := d.gone(d.show(ctx, string(t.Key), t.Ticket), d.object.modified)
		switch {
		case errors.Is(err, errVanished):
			err = d.giveUp(ctx, i)
		case errors.Is(err, errCondition):
			err = d.rename(ctx, i)
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errLostFile = errors.New("the record of the delivery has lost a file")

// rename replaces the ticket of a file by one for the next name. If another owner has done so, its
// record counts.
func (d *delivering) rename(ctx context.Context, i int) error {
	t := d.Files[i]
	from, err := d.head(ctx, string(t.From))
	if err != nil {
		return err
	}
	next := t
	next.Number++
	if err := d.prepareFile(ctx, from, &next); err != nil {
		return err
	}
	ours := d.deliveryRecord
	ours.Files = append([]transfer(nil), d.Files...)
	ours.Files[i], ours.Nonce = next, nonce()
	o, err := save(ctx, d.store, d.object.key, ours, when{version: d.object.version})
	switch {
	case errors.Is(err, errCondition):
		d.abandon(ctx, string(next.Key), next.Ticket)
		d.deliveryRecord = deliveryRecord{}
		d.object, err = load(ctx, d.store, d.object.key, &d.deliveryRecord)
		if err == nil && i >= len(d.Files) {
			err = errLostFile
		}
		return err
	case err != nil:
		return err
	}
	d.abandon(ctx, string(t.Key), t.Ticket)
	d.deliveryRecord, d.object = ours, o
	return nil
}
