package bucket

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// azureStore is a container of Azure Blob Storage. It uses the REST interface without Microsoft's
// client, whose current releases bring a column format with them. Versions are entity tags.
type azureStore struct {
	rest
	container string // URL
}

// azureVersion is the version of the interface.
const azureVersion = "2023-11-03"

// blob returns the URL of a blob.
func (a *azureStore) blob(key string) string {
	return a.container + "/" + strings.ReplaceAll(url.PathEscape(key), "+", "%2B")
}

// azureMeta begins the headers of metadata.
const azureMeta = "X-Ms-Meta-"

// blobOf reads the headers that describe a blob.
func blobOf(key string, header http.Header) object {
	o := object{key: key, version: header.Get("Etag"), kind: header.Get("Content-Type"), meta: map[string]string{}}
	o.size, _ = strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	o.modified, _ = http.ParseTime(header.Get("Last-Modified"))
	for name, values := range header {
		if meta, found := strings.CutPrefix(name, azureMeta); found {
			o.meta[strings.ToLower(meta)] = values[0]
		}
	}
	return o
}

// describe returns the headers for the content type and metadata of a new blob.
func describe(kind string, meta map[string]string) http.Header {
	header := http.Header{}
	if kind != "" {
		header.Set("X-Ms-Blob-Content-Type", kind)
	}
	for name, value := range meta {
		header.Set(azureMeta+name, value)
	}
	return header
}

func (a *azureStore) list(ctx context.Context, prefix string, flat bool, token string) (page, error) {
	query := url.Values{"restype": {"container"}, "comp": {"list"}, "prefix": {prefix}, "maxresults": {"1000"}}
	if flat {
		query.Set("delimiter", "/")
	}
	if token != "" {
		query.Set("marker", token)
	}
	var answer struct {
		Blobs struct {
			Blob []struct {
				Name       azureName
				Properties struct {
					LastModified  string `xml:"Last-Modified"`
					ContentLength int64  `xml:"Content-Length"`
					Etag          string
				}
			}
			BlobPrefix []struct{ Name azureName }
		}
		NextMarker string
	}
	var p page
	err := a.send(ctx, request{op: "list objects", url: a.container + "?" + query.Encode()}, func(r *http.Response) error {
		p.now = serverTime(r.Header)
		return xml.NewDecoder(r.Body).Decode(&answer)
	})
	if err != nil {
		return page{}, err
	}
	p.next = answer.NextMarker
	for _, b := range answer.Blobs.Blob {
		at, _ := http.ParseTime(b.Properties.LastModified)
		p.objects = append(p.objects, object{key: b.Name.text(), size: b.Properties.ContentLength, modified: at,
			version: `"` + strings.Trim(b.Properties.Etag, `"`) + `"`})
	}
	for _, folder := range answer.Blobs.BlobPrefix {
		p.objects = append(p.objects, object{key: folder.Name.text(), folder: true})
	}
	return p, nil
}

// azureName is a name in a listing. A name with characters that XML cannot hold is encoded.
type azureName struct {
	Encoded bool   `xml:"Encoded,attr"`
	Text    string `xml:",chardata"`
}

func (n azureName) text() string {
	if plain, err := url.PathUnescape(n.Text); err == nil && n.Encoded {
		return plain
	}
	return n.Text
}

func (a *azureStore) head(ctx context.Context, key string) (o object, err error) {
	err = a.send(
		ctx,
		request{op: "look up object", method: http.MethodHead, url: a.blob(key)},
		func(r *http.Response) error {
			o = blobOf(key, r.Header)
			return nil
		},
	)
	return o, err
}

func (a *azureStore) read(ctx context.Context, o object, p []byte, offset int64) error {
	if len(p) == 0 {
		return nil
	}
	header := http.Header{"If-Match": {o.version}, "X-Ms-Range": {byteRange(offset, len(p))}}
	return a.send(ctx, request{op: "read object", limit: a.patience.data, url: a.blob(o.key), header: header},
		func(r *http.Response) error {
			_, err := io.ReadFull(r.Body, p)
			return err
		})
}

func (a *azureStore) get(ctx context.Context, key string) (body []byte, o object, err error) {
	err = a.send(ctx, request{op: "read record", url: a.blob(key)}, func(r *http.Response) error {
		body, err = io.ReadAll(io.LimitReader(r.Body, smallBytes+1))
		if err == nil && len(body) > smallBytes {
			return newFault(errOther, "read record", a.bucket, "the record is too large", nil)
		}
		o = blobOf(key, r.Header)
		return err
	})
	return body, o, err
}

func (a *azureStore) put(ctx context.Context, key string, body []byte, when when) (object, error) {
	header := http.Header{"X-Ms-Blob-Type": {"BlockBlob"}}
	if when.absent {
		header.Set("If-None-Match", "*")
	}
	if when.version != "" {
		header.Set("If-Match", when.version)
	}
	o := object{key: key, size: int64(len(body))}
	err := a.send(ctx, request{op: "write object", method: http.MethodPut, url: a.blob(key), body: body, header: header,
		limit: a.patience.data}, func(r *http.Response) error {
		o.version = r.Header.Get("Etag")
		return nil
	})
	return o, err
}

func (a *azureStore) remove(ctx context.Context, o object) error {
	header := http.Header{}
	if o.version != "" {
		header.Set("If-Match", o.version)
	}
	err := a.send(ctx, request{op: "delete object", method: http.MethodDelete, url: a.blob(o.key), header: header}, nil)
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}
