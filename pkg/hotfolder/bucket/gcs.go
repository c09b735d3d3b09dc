package bucket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// gcsStore is a bucket of Google Cloud Storage. It uses the JSON API without Google's client, which
// adds 29 MB to a program, most of it for gRPC. Versions are generations.
type gcsStore struct {
	rest
	endpoint string // without a slash at the end
}

// gcsObject is the resource of an object.
type gcsObject struct {
	Name        string            `json:"name,omitempty"`
	Size        int64             `json:"size,string,omitempty"`
	Updated     time.Time         `json:"updated,omitzero"`
	Generation  string            `json:"generation,omitempty"`
	ContentType string            `json:"contentType,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
}

func (o gcsObject) object() object {
	return object{key: o.Name, size: o.Size, modified: o.Updated.Truncate(time.Second), version: o.Generation,
		kind: o.ContentType, meta: o.Metadata}
}

// gcsFields limits answers to what gcsObject has.
const gcsFields = "name,size,updated,generation,contentType,metadata"

// path returns the URL of the objects of the bucket, or of one object.
func (g *gcsStore) path(upload string, key ...string) string {
	address := g.endpoint + upload + "/storage/v1/b/" + url.PathEscape(g.bucket) + "/o"
	for _, k := range key {
		address += "/" + strings.ReplaceAll(url.PathEscape(k), "+", "%2B")
	}
	return address
}

func (g *gcsStore) list(ctx context.Context, prefix string, flat bool, token string) (page, error) {
	query := url.Values{
		"prefix":     {prefix},
		"maxResults": {"1000"},
		"fields":     {"nextPageToken,prefixes,items(" + gcsFields + ")"},
	}
	if flat {
		query.Set("delimiter", "/")
	}
	if token != "" {
		query.Set("pageToken", token)
	}
	var answer struct {
		NextPageToken string      `json:"nextPageToken"`
		Prefixes      []string    `json:"prefixes"`
		Items         []gcsObject `json:"items"`
	}
	header, err := g.json(ctx, request{op: "list objects", url: g.path("") + "?" + query.Encode()}, &answer)
	if errors.Is(err, errNotFound) {
		err = newFault(errNoBucket, "list objects", g.bucket, "", nil)
	}
	if err != nil {
		return page{}, err
	}
	p := page{next: answer.NextPageToken, now: serverTime(header)}
	for _, o := range answer.Items {
		p.objects = append(p.objects, o.object())
	}
	for _, folder := range answer.Prefixes {
		p.objects = append(p.objects, object{key: folder, folder: true})
	}
	return p, nil
}

func (g *gcsStore) head(ctx context.Context, key string) (object, error) {
	var found gcsObject
	_, err := g.json(ctx, request{op: "look up object", url: g.path("", key) + "?fields=" + gcsFields}, &found)
	return found.object(), err
}

func (g *gcsStore) read(ctx context.Context, o object, p []byte, offset int64) error {
	if len(p) == 0 {
		return nil
	}
	return g.send(ctx, request{op: "read object", limit: g.patience.data,
		url:    g.path("", o.key) + "?alt=media&ifGenerationMatch=" + o.version,
		header: http.Header{"Range": {byteRange(offset, len(p))}}},
		func(answer *http.Response) error {
			_, err := io.ReadFull(answer.Body, p)
			return err
		})
}

func (g *gcsStore) get(ctx context.Context, key string) (body []byte, o object, err error) {
	err = g.send(ctx, request{op: "read record", url: g.path("", key) + "?alt=media"}, func(answer *http.Response) error {
		body, err = io.ReadAll(io.LimitReader(answer.Body, smallBytes+1))
		if err == nil && len(body) > smallBytes {
			return newFault(errOther, "read record", g.bucket, "the record is too large", nil)
		}
		o = object{key: key, size: int64(len(body)), version: answer.Header.Get("X-Goog-Generation")}
		o.modified, _ = http.ParseTime(answer.Header.Get("Last-Modified"))
		return err
	})
	return body, o, err
}

func (g *gcsStore) put(ctx context.Context, key string, body []byte, when when) (object, error) {
	query := url.Values{"uploadType": {"media"}, "name": {key}, "fields": {gcsFields}}
	if when.absent {
		query.Set("ifGenerationMatch", "0")
	}
	if when.version != "" {
		query.Set("ifGenerationMatch", when.version)
	}
	var made gcsObject
	_, err := g.json(ctx, request{
		op:     "write object",
		method: http.MethodPost,
		limit:  g.patience.data,
		body:   body,
		url: g.path(
			"/upload",
		) + "?" + query.Encode(),
		header: http.Header{"Content-Type": {"application/octet-stream"}},
	}, &made)
	return made.object(), err
}

func (g *gcsStore) remove(ctx context.Context, o object) error {
	address := g.path("", o.key)
	if o.version != "" {
		address += "?ifGenerationMatch=" + o.version
	}
	err := g.send(ctx, request{op: "delete object", method: http.MethodDelete, url: address}, nil)
	if errors.Is(err, errCondition) { // some answers say so of an object that does not exist
		if _, headErr := g.head(ctx, o.key); errors.Is(headErr, errNotFound) {
			return nil
		}
	}
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

// copy lets the store rewrite an object, in several calls if it is large.
func (g *gcsStore) copy(ctx context.Context, key string, from object, meta map[string]string) error {
	body, err := json.Marshal(gcsObject{ContentType: from.kind, Metadata: meta})
	if err != nil {
		return err
	}
	query := url.Values{"ifSourceGenerationMatch": {from.version}, "fields": {"done,rewriteToken"}}
	for {
		var answer struct {
			Done         bool   `json:"done"`
			RewriteToken string `json:"rewriteToken"`
		}
		address := g.path("", from.key) + "/rewriteTo/b/" + strings.TrimPrefix(g.path("", key), g.endpoint+"/storage/v1/b/")
		_, err := g.json(ctx, request{op: "copy object", method: http.MethodPost, limit: g.patience.copying, body: body,
			url: address + "?" + query.Encode(), header: http.Header{"Content-Type": {"application/json"}}}, &answer)
		if err != nil || answer.Done {
			return err
		}
		query.Set("rewriteToken", answer.RewriteToken)
	}
}

// upload sends the content to a resumable session.
func (g *gcsStore) upload(ctx context.Context, to object, content io.Reader) (object, error) {
	session, err := g.session(ctx, gcsObject{Name: to.key, ContentType: to.kind, Metadata: to.meta}, false)
	if err != nil {
		return object{}, err
	}
	part, err := g.buffers.take(ctx)
	if err != nil {
		return object{}, err
	}
	defer g.buffers.give(part)
	for offset := int64(0); ; offset += partBytes {
		n, err := io.ReadFull(content, part)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			g.abandon(ctx, to.key, ticket{Upload: session})
			return object{}, err
		}
		made, err := g.sendPart(ctx, session, part[:n], offset, last)
		if err != nil || last {
			return made.object(), err
		}
	}
}

// session begins a resumable upload and returns its URL.
func (g *gcsStore) session(ctx context.Context, o gcsObject, absent bool) (session string, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return "", err
	}
	address := g.path("/upload") + "?uploadType=resumable&fields=" + gcsFields + "&name=" + url.QueryEscape(o.Name)
	if absent {
		address += "&ifGenerationMatch=0"
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if o.ContentType != "" {
		header.Set("X-Upload-Content-Type", o.ContentType)
	}
	err = g.send(ctx, request{op: "begin upload", method: http.MethodPost, url: address, body: body, header: header},
		func(answer *http.Response) error {
			session = answer.Header.Get("Location")
			if session == "" {
				return errors.New("the answer has no location")
			}
			return nil
		})
	return session, err
}

// sendPart sends a part to a session. The last one makes the object visible.
func (g *gcsStore) sendPart(
	ctx context.Context,
	session string,
	part []byte,
	offset int64,
	last bool,
) (made gcsObject, err error) {
	end := offset + int64(len(part))
	total := "*"
	if last {
		total = strconv.FormatInt(end, 10)
	}
	span := fmt.Sprintf("bytes %d-%d/%s", offset, end-1, total)
	if len(part) == 0 {
		span = "bytes */" + total
	}
	err = g.send(ctx, request{op: "write part", method: http.MethodPut, url: session, limit: g.patience.data, body: part,
		header: http.Header{"Content-Range": {span}}}, func(answer *http.Response) error {
		if !last {
			return nil // 308: more is expected
		}
		if answer.StatusCode == http.StatusPermanentRedirect {
			return errors.New("the store has not all parts")
		}
		return json.NewDecoder(io.LimitReader(answer.Body, smallBytes)).Decode(&made)
	})
	return made, err
}
