package bucket

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// results delivers the results of claims. See the files stage.go, deliver.go and backup.go.
type results struct{ *shared }

// stagedName is the key of the metadata that holds the name of a result. It is in base64url,
// because metadata are headers.
const stagedName = "signstashname"

// Stage implements hotfolder.Results. The object is in our own folder, and belongs to this
// instance, so a former owner of the run cannot replace it.
func (r *results) Stage(ctx context.Context, c hotfolder.Claim, index int, name string, content io.Reader) error {
	if index < 0 || index > 9 {
		return fmt.Errorf("stage: index %d is not between 0 and 9", index)
	}
	if name == "" || strings.Contains(name, "/") || !r.fits(name) {
		return hotfolder.OfFile(name, errors.New("stage: the name is empty, too long, or contains a slash"))
	}
	o, err := r.mineAndHeld(ctx, c)
	if err != nil {
		return err
	}
	key := r.staged(c.ID, o.meta[claimID]) + strconv.Itoa(r.ordinal) + "." + strconv.Itoa(index)
	meta := map[string]string{stagedName: base64.RawURLEncoding.EncodeToString([]byte(name))}
	_, err = r.upload(ctx, object{key: key, kind: contentType(name), meta: meta}, content)
	return err
}

// contentType returns the type of a result for consumers that read it over HTTP.
func contentType(name string) string {
	extension := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	types := map[string]string{"pdf": "application/pdf", "xml": "application/xml", "json": "application/json",
		"txt": "text/plain; charset=utf-8", "p7m": "application/pkcs7-mime", "p7s": "application/pkcs7-signature"}
	if kind, found := types[extension]; found {
		return kind
	}
	return "application/octet-stream"
}

// stagedFile is a file that Stage has written.
type stagedFile struct {
	object
	name string
}

// stagedFiles returns what this instance staged for a claim, in the order of the index.
func (r *results) stagedFiles(ctx context.Context, run hotfolder.Run, claim string) ([]stagedFile, error) {
	var list []stagedFile
	for o, err := range r.objects(ctx, r.staged(run.ID, claim)+strconv.Itoa(r.ordinal)+".", false) {
		if err != nil {
			return nil, err
		}
		o, err = r.head(ctx, o.key)
		if err != nil {
			return nil, err
		}
		name, err := base64.RawURLEncoding.DecodeString(o.meta[stagedName])
		if err != nil || len(name) == 0 {
			return nil, fmt.Errorf("staged file %q has no name", o.key)
		}
		list = append(list, stagedFile{o, string(name)})
	}
	slices.SortFunc(list, func(a, b stagedFile) int { return strings.Compare(a.key, b.key) })
	return list, nil
}
