package bucket

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder"
)

// input lists the input folder.
type input struct{ *shared }

// objects lists all pages below a prefix. It holds one page in memory. An error is the last
// element.
func (s *shared) objects(ctx context.Context, prefix string, flat bool) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		for token := ""; ; {
			p, err := s.list(ctx, prefix, flat, token)
			if err != nil {
				yield(object{}, err)
				return
			}
			for _, o := range p.objects {
				if !yield(o, nil) {
					return
				}
			}
			if p.next == "" {
				return
			}
			token = p.next
		}
	}
}

// List implements hotfolder.Input. A deeper key makes a folder, which is not signed.
func (in *input) List(ctx context.Context) iter.Seq2[hotfolder.Entry, error] {
	return func(yield func(hotfolder.Entry, error) bool) {
		for o, err := range in.objects(ctx, in.Input.Prefix, true) {
			if err != nil {
				yield(hotfolder.Entry{}, err)
				return
			}
			name := strings.TrimPrefix(o.key, in.Input.Prefix)
			if name == "" || name == own+"/" { // the object that consoles create for a folder; our own folder
				continue
			}
			if !yield(entry(name, o), nil) {
				return
			}
		}
	}
}

// entry describes an object. It is whole, because objects appear with their whole content.
func entry(name string, o object) hotfolder.Entry {
	if o.folder {
		return hotfolder.Entry{Name: strings.TrimSuffix(name, "/"), Irregular: "folder"}
	}
	return hotfolder.Entry{
		Name:     name,
		Size:     o.size,
		Modified: o.modified,
		Version:  o.version,
		Arrival:  hotfolder.ArrivalWhole,
	}
}

// Stat implements hotfolder.Input.
func (in *input) Stat(ctx context.Context, name string) (hotfolder.Entry, error) {
	o, err := in.head(ctx, in.input(name))
	if errors.Is(err, errNotFound) {
		return hotfolder.Entry{}, hotfolder.ErrGone
	}
	if err != nil {
		return hotfolder.Entry{}, err
	}
	return entry(name, o), nil
}

// Wake implements hotfolder.Input. It returns nil, because the folder is polled. The engine gets
// notifications directly.
func (in *input) Wake() <-chan struct{} { return nil }
