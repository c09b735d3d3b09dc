package clientservice

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of one entry. An id and its secret must fit into one HTTP header line, base64-encoded.
const (
	maxIDBytes     = 255
	maxSecretBytes = 1024
	maxTextBytes   = 4096
)

// Validate returns an *InvalidError that lists every mistake in c, or nil.
func Validate(c ClientService) error {
	var m mistakes
	validate(&c, &m)
	return m.err()
}

// validate adds c's mistakes to m and cleans c's folders.
func validate(c *ClientService, m *mistakes) {
	validateID(c.ID, m)
	if c.Secret.IsZero() {
		m.add(c.ID, "secret", "is missing or empty")
	} else {
		validateSecret(c.ID, "secret", c.Secret, m)
	}
	if !c.PreviousSecret.IsZero() {
		validateSecret(c.ID, "previousSecret", c.PreviousSecret, m)
	}
	c.InputFolder = validateFolder(c.ID, "inputFolder", c.InputFolder, m)
	c.BackupFolder = validateFolder(c.ID, "backupFolder", c.BackupFolder, m)
	c.OutputFolder = validateFolder(c.ID, "outputFolder", c.OutputFolder, m)
	if len(c.Provider) > maxTextBytes {
		m.add(c.ID, "provider", "is longer than %d bytes", maxTextBytes)
	}
	if err := CheckCallback(c.CallbackURL); err != nil {
		m.add(c.ID, "callbackUrl", "%v", err)
	}
	if v := c.VisibleSignatureInfo; v != nil {
		if v.LocationType == "" {
			m.add(c.ID, "visibleSignatureInfo.locationType", "is missing or empty")
		}
		if v.LocationValue == "" {
			m.add(c.ID, "visibleSignatureInfo.locationValue", "is missing or empty")
		}
	}
}

// validateID checks that HTTP Basic can carry an id: it has no colon and no control character (RFC
// 7617 section 2).
func validateID(id string, m *mistakes) {
	switch {
	case id == "":
		m.add("", "", "a client service id is empty")
	case len(id) > maxIDBytes:
		m.add(id[:32]+"…", "", "the id is longer than %d bytes", maxIDBytes)
	case !utf8.ValidString(id):
		m.add(id, "", "the id is not UTF-8")
	case strings.Contains(id, ":"):
		m.add(id, "", "the id contains a colon, which HTTP Basic cannot carry")
	case strings.ContainsFunc(id, unicode.IsControl):
		m.add(id, "", "the id contains a control character")
	case strings.TrimSpace(id) != id:
		m.add(id, "", "the id begins or ends with white space")
	}
}

// validateSecret checks that HTTP Basic can carry a secret (RFC 7617 section 2). No mistake shows
// any part of the secret.
func validateSecret(id, field string, s Secret, m *mistakes) {
	value := s.Reveal()
	switch {
	case len(value) > maxSecretBytes:
		m.add(id, field, "is longer than %d bytes", maxSecretBytes)
	case !utf8.ValidString(value):
		m.add(id, field, "is not UTF-8")
	case strings.HasSuffix(value, "\n"):
		m.add(id, field, "ends with a line break (write it with printf or echo -n)")
	case strings.ContainsFunc(value, unicode.IsControl):
		m.add(id, field, "contains a control character")
	}
}

// validateFolder checks a folder of the hot folder and returns it cleaned.
func validateFolder(id, field, folder string, m *mistakes) string {
	switch {
	case folder == "":
		return ""
	case len(folder) > maxTextBytes:
		m.add(id, field, "is longer than %d bytes", maxTextBytes)
	case strings.ContainsFunc(folder, unicode.IsControl):
		m.add(id, field, "contains a control character")
	case inBucket(folder): // package bucket checks the rest
	case !strings.HasPrefix(folder, "/"):
		m.add(id, field, "must begin with a slash; it is relative to the work folder")
	case strings.Contains(folder+"/", "/../"):
		m.add(id, field, "must not leave the work folder (..)")
	case path.Clean(folder) == "/":
		m.add(id, field, "must be a folder below the work folder")
	default:
		return path.Clean(folder)
	}
	return folder
}

// inBucket reports whether a folder is in object storage.
func inBucket(folder string) bool {
	for _, scheme := range []string{"s3://", "gs://", "azblob://"} {
		if strings.HasPrefix(folder, scheme) {
			return true
		}
	}
	return false
}
