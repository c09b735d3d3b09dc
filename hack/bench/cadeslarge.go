package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/signstash-proxy/signstash-proxy/hack/instance"
	"github.com/signstash-proxy/signstash-proxy/pkg/client"
)

// cadesUpload is the size in bytes of the large document that goes through the proxy, which keeps a
// copy on disk.
const cadesUpload = 1_000_000_000

// cadesLarge signs sparse files with enveloping CAdES, as the case large does with PDF. Then it
// sends a small and a large file to a proxy, as parts of a form.
func (b *bench) cadesLarge(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.temp, "bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "enveloping CAdES, one document\ttime\tpeak RSS")
	var peaks []int64
	for _, l := range largeSizes {
		path := filepath.Join(dir, "document"+other.extension)
		if err := writeSparse(path, l.size); err != nil {
			return err
		}
		took, err := runAlone(ctx, path)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		peaks = append(peaks, took.Peak)
		fmt.Fprintf(w, "engine, %s\t%s\t%.0f MiB\n", l.name, ms(took.Sign), float64(took.Peak)/(1<<20))
	}
	uploads, err := b.upload(ctx, dir)
	if err != nil {
		return err
	}
	for _, u := range uploads {
		fmt.Fprintf(w, "proxy, %s\t%s\t%.0f MiB\n", u.name, ms(u.took.wall), float64(u.peak)/(1<<20))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for i := range peaks[1:] {
		b.goals.rss("cades-large: "+largeSizes[i+1].name, peaks[i+1], float64(peaks[0])/(1<<20)+largeExtraMiB)
	}
	small, large := uploads[0], uploads[1]
	b.goals.rss("cades-large: proxy, "+large.name, large.peak, float64(small.peak)/(1<<20)+largeExtraMiB)
	return nil
}

// uploaded is what a document took that was sent to a proxy. peak is the peak RSS so far.
type uploaded struct {
	name string
	took cost
	peak int64
}

// upload sends a small and then a large file to a proxy and reads the signed files.
func (b *bench) upload(ctx context.Context, dir string) (all []uploaded, err error) {
	err = withProxy(ctx, b.binary, filepath.Join(dir, "proxy"), func(p *instance.Instance, _ *client.Client) error {
		for _, size := range []int64{largeSizes[0].size, cadesUpload} {
			path := filepath.Join(dir, "upload"+other.extension)
			if err := writeSparse(path, size); err != nil {
				return err
			}
			u := uploaded{name: fmt.Sprintf("%d KB", size/1000)}
			err := fastest(&u.took.wall, &u.took.cpu, func() error {
				return sendForm(ctx, p.URL, document{path, size}, u.name)
			})
			if err != nil {
				return err
			}
			memory, err := p.Memory()
			if err != nil {
				return err
			}
			u.peak = memory.Peak
			all = append(all, u)
		}
		return nil
	})
	return all, err
}

// sendForm sends a document as a part of a form, and reads the answer with the signed document.
func sendForm(ctx context.Context, root string, d document, reference string) error {
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() { w.CloseWithError(writeForm(form, d, reference)) }()
	defer body.Close()
	url := root + "/signstash/einvoice-integration-client-ws/api/v0/document/sign/"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.SetBasicAuth(clientID, secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("send document: %w", err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(forget{}, answer.Body)
	switch {
	case err != nil:
		return fmt.Errorf("read answer: %w", err)
	case answer.StatusCode != http.StatusOK || n < d.size:
		return fmt.Errorf("the answer to a document of %d bytes has status %d and %d bytes", d.size, answer.StatusCode, n)
	}
	return nil
}

// writeForm writes the parts of the form.
func writeForm(form *multipart.Writer, d document, reference string) error {
	k := kindOf(d.path)
	request, err := form.CreateFormField("signRequest")
	if err != nil {
		return err
	}
	err = json.NewEncoder(request).Encode(map[string]any{
		"externalReference": reference, "description": "bench", "documents": []any{map[string]any{
			"documentRequest": map[string]any{
				"externalReference": reference, "name": filepath.Base(d.path), "contentType": k.contentType,
			},
			"signatureInfo": k.request(),
		}},
	})
	if err != nil {
		return err
	}
	part, err := form.CreateFormFile("files", filepath.Base(d.path))
	if err != nil {
		return err
	}
	file, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(part, file)
	return errors.Join(err, form.Close())
}
