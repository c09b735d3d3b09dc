package bucket

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Kind is a family of object stores.
type Kind string

// The kinds, as the scheme of a folder's URL.
const (
	S3    Kind = "s3"     // Amazon S3, and stores with its interface
	GCS   Kind = "gs"     // Google Cloud Storage
	Azure Kind = "azblob" // Azure Blob Storage
)

// Place is a folder in a bucket.
type Place struct {
	Kind   Kind
	Bucket string // the container, for Azure
	Prefix string // ends in "/"; empty for the whole bucket
}

// IsURL reports whether a folder of a client service is in object storage. Any value with a scheme
// counts, so that Parse can refuse a misspelt one by name.
func IsURL(folder string) bool {
	scheme, _, found := strings.Cut(folder, "://")
	return found && scheme != "" && !strings.Contains(scheme, "/")
}

// maxPrefix leaves room for the name of a file and for our own folders in a key of 1,024 bytes.
const maxPrefix = 512

// Parse reads s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix.
func Parse(folder string) (Place, error) {
	scheme, rest, _ := strings.Cut(folder, "://")
	kind := Kind(scheme)
	if kind != S3 && kind != GCS && kind != Azure {
		return Place{}, fmt.Errorf("%q: the scheme is not s3, gs or azblob", folder)
	}
	name, prefix, _ := strings.Cut(rest, "/")
	if err := checkBucketName(name); err != nil {
		return Place{}, fmt.Errorf("%q: %w", folder, err)
	}
	prefix = strings.TrimSuffix(prefix, "/")
	if strings.ContainsAny(prefix, "?#%") {
		return Place{}, fmt.Errorf("%q: a prefix with ?, # or %% is not supported; options are settings", folder)
	}
	for segment := range strings.SplitSeq(prefix, "/") {
		if prefix != "" && (segment == "" || segment == "." || segment == ".." || segment == own) {
			return Place{}, fmt.Errorf("%q: %q is not allowed in the prefix", folder, segment)
		}
	}
	if len(prefix) > maxPrefix {
		return Place{}, fmt.Errorf("%q: the prefix has more than %d bytes", folder, maxPrefix)
	}
	if prefix != "" {
		prefix += "/"
	}
	return Place{Kind: kind, Bucket: name, Prefix: prefix}, nil
}

// checkBucketName accepts what the three kinds of stores allow together. The store refuses the
// rest.
func checkBucketName(name string) error {
	if len(name) < 3 || len(name) > 222 { // the longest is a domain name as a bucket of GCS
		return errors.New("the name of the bucket is missing, too short or too long")
	}
	for _, c := range []byte(name) {
		lower := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !lower && !strings.ContainsRune("-._", rune(c)) {
			return fmt.Errorf("%q is not allowed in the name of a bucket", c)
		}
	}
	return nil
}

// String returns the place as a URL.
func (p Place) String() string {
	return (&url.URL{Scheme: string(p.Kind), Host: p.Bucket, Path: "/" + p.Prefix}).String()
}

// Places are the three folders of a client service.
type Places struct {
	Input, Output, Backup Place
}

// ParsePlaces reads the three folders and returns all their mistakes.
func ParsePlaces(input, output, backup string) (Places, error) {
	var p Places
	var bad []error
	for _, f := range []struct {
		name, url string
		to        *Place
	}{{"inputFolder", input, &p.Input}, {"outputFolder", output, &p.Output}, {"backupFolder", backup, &p.Backup}} {
		if !IsURL(f.url) {
			bad = append(
				bad,
				fmt.Errorf("%s: %q is not in object storage; the three folders must be in one bucket", f.name, f.url),
			)
			continue
		}
		place, err := Parse(f.url)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", f.name, err))
		}
		*f.to = place
	}
	if len(bad) > 0 {
		return Places{}, errors.Join(bad...)
	}
	return p, p.Validate()
}

// Validate returns all mistakes, joined. The folders are in one bucket, because a store copies
// within a bucket, and they do not contain each other, because the engine would sign its results.
func (p Places) Validate() error {
	var bad []error
	for _, other := range []struct {
		name string
		Place
	}{{"outputFolder", p.Output}, {"backupFolder", p.Backup}} {
		if other.Kind != p.Input.Kind || other.Bucket != p.Input.Bucket {
			bad = append(bad, fmt.Errorf("%s %s is not in the bucket of inputFolder %s; the three folders must be in one bucket",
				other.name, other.Place, p.Input))
		}
		if nested(p.Input.Prefix, other.Prefix) {
			bad = append(bad, fmt.Errorf("%s %s and inputFolder %s contain each other", other.name, other.Place, p.Input))
		}
	}
	if nested(p.Output.Prefix, p.Backup.Prefix) {
		bad = append(bad, fmt.Errorf("outputFolder %s and backupFolder %s contain each other", p.Output, p.Backup))
	}
	return errors.Join(bad...)
}

func nested(a, b string) bool {
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
