package bucket

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// uploadAge is how long a store keeps an upload that is not complete, at least. Google Cloud
// Storage and Azure keep one for a week. A lifecycle rule of an S3 bucket counts whole days.
const uploadAge = 24 * time.Hour

// gone judges an error of show. A copy that vanished soon after it was recorded at since was shown,
// and its consumer has removed it. Later the store itself may have removed it.
func (s *shared) gone(err error, since time.Time) error {
	young := since.IsZero() || s.now().Sub(since) < uploadAge
	if errors.Is(err, errVanished) && young {
		return nil
	}
	return err
}

// vanishedText is the reason of a document whose result may be lost. hotfolder.IsReason recognizes
// it.
const vanishedText = "storage: The signed file was ready, and then no instance ran for a day or longer. " +
	"Meanwhile the store has removed the upload, or the file was shown and taken. If nobody has it, copy the original " +
	"from the backup folder to the input folder.\n"

// giveUp replaces a file that vanished by a text with the reason, which is shown instead, and
// writes the same text beside the backup of the document. The text is written once for all files
// of a document. If another owner has done so, its record counts.
func (d *delivering) giveUp(ctx context.Context, i int) error {
	d.log.Error(errVanished, "a result may be lost; original and reason are in the backup folder", "run", d.run.ID)
	ours := d.deliveryRecord
	ours.Files, ours.Nonce = slices.Clone(d.Files), nonce()
	ours.Files[i].Gone = true
	if !slices.ContainsFunc(d.Files, func(t transfer) bool { return t.Gone }) {
		t, err := d.prepareReason(ctx)
		if err != nil {
			return err
		}
		ours.Files = append(ours.Files, t)
	}
	o, err := save(ctx, d.store, d.object.key, ours, when{version: d.object.version})
	if errors.Is(err, errCondition) {
		d.deliveryRecord = deliveryRecord{}
		d.object, err = load(ctx, d.store, d.object.key, &d.deliveryRecord)
		if err == nil && i >= len(d.Files) {
			err = errLostFile
		}
		return err
	}
	if err == nil {
		d.deliveryRecord, d.object = ours, o
	}
	return err
}

// prepareReason writes the text beside the backup, and prepares it for the output folder.
func (d *delivering) prepareReason(ctx context.Context) (transfer, error) {
	name := hotfolder.ReasonName(d.document)
	if err := d.putBeside(ctx, d.run, name, []byte(vanishedText)); err != nil {
		return transfer{}, err
	}
	from := d.staged(d.run.ID, d.claim) + "reason"
	if _, err := d.upload(ctx, object{key: from, kind: contentType(name)}, strings.NewReader(vanishedText)); err != nil {
		return transfer{}, err
	}
	o, err := d.head(ctx, from)
	if err != nil {
		return transfer{}, err
	}
	t := transfer{From: []byte(from), Name: []byte(name)}
	return t, d.prepareFile(ctx, o, &t)
}
