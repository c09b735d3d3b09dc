package bucket_test

import (
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/hotfolder/bucket"
)

func TestParse(t *testing.T) {
	for url, want := range map[string]bucket.Place{
		"s3://invoices":               {Kind: bucket.S3, Bucket: "invoices"},
		"s3://invoices/":              {Kind: bucket.S3, Bucket: "invoices"},
		"s3://invoices/a/b/":          {Kind: bucket.S3, Bucket: "invoices", Prefix: "a/b/"},
		"gs://invoices.example.com/a": {Kind: bucket.GCS, Bucket: "invoices.example.com", Prefix: "a/"},
		"azblob://invoices/a":         {Kind: bucket.Azure, Bucket: "invoices", Prefix: "a/"},
	} {
		if got, err := bucket.Parse(url); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", url, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for url, want := range map[string]string{
		"ftp://invoices/a":              "the scheme is not s3, gs or azblob",
		"S3://invoices/a":               "the scheme is not s3, gs or azblob",
		"s3:///a":                       "name of the bucket is missing",
		"s3://Invoices/a":               "not allowed in the name of a bucket",
		"s3://user:word@invoices/a":     "not allowed in the name of a bucket",
		"s3://invoices/a?region=x":      "options are settings",
		"s3://invoices/a//b":            `"" is not allowed in the prefix`,
		"s3://invoices/a/../b":          `".." is not allowed in the prefix`,
		"s3://invoices/.signstash/a":    `".signstash" is not allowed in the prefix`,
		"s3://invoices/" + longPrefix(): "more than 512 bytes",
	} {
		if got, err := bucket.Parse(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %+v, %v, want an error with %q", url, got, err, want)
		}
	}
}

func longPrefix() string { return strings.Repeat("x", 513) }

// TestParsePlacesRefuses names every folder that is wrong.
func TestParsePlacesRefuses(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		input, output, backup string
		want                  []string
	}{
		{"mixed with a folder", "s3://invoices/in", "/out", "s3://invoices/backup",
			[]string{`outputFolder: "/out" is not in object storage`}},
		{"two buckets", "s3://invoices/in", "s3://invoices/out", "s3://archive/backup",
			[]string{"backupFolder s3://archive/backup/ is not in the bucket of inputFolder"}},
		{"two kinds", "s3://invoices/in", "gs://invoices/out", "s3://invoices/backup",
			[]string{"outputFolder gs://invoices/out/"}},
		{"the same", "s3://invoices/in", "s3://invoices/in", "s3://invoices/backup",
			[]string{"outputFolder", "contain each other"}},
		{"nested", "s3://invoices/", "s3://invoices/out", "s3://invoices/backup",
			[]string{"outputFolder", "backupFolder", "contain each other"}},
		{"backup in output", "s3://invoices/in", "s3://invoices/out", "s3://invoices/out/backup",
			[]string{"contain each other"}},
		{"two mistakes", "ftp://invoices/in", "s3://x/out", "s3://invoices/backup", []string{"inputFolder", "outputFolder"}},
	} {
		_, err := bucket.ParsePlaces(tt.input, tt.output, tt.backup)
		if err == nil {
			t.Errorf("%s: ParsePlaces returned no error", tt.name)
			continue
		}
		wants(t, err.Error(), tt.want...)
	}
}

func TestSettingsRefuse(t *testing.T) {
	for _, tt := range []struct {
		settings bucket.Settings
		want     string
	}{
		{bucket.Settings{PathStyle: true}, "no endpoint is set"},
		{bucket.Settings{Endpoint: "store.example.com"}, "does not begin with https://"},
		{bucket.Settings{Endpoint: "ftp://store.example.com"}, "does not begin with https://"},
		{bucket.Settings{Endpoint: "https://user:password@store.example.com"}, "contains a user or a password"},
		{bucket.Settings{Endpoint: "https://store.example.com?x=1"}, "contains ? or #"},
	} {
		err := tt.settings.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "password@") {
			t.Errorf("Validate(%+v) = %v, want an error with %q", tt.settings, err, tt.want)
		}
	}
}
