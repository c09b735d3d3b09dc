package clientservice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// entry is the form of a client service in the file. Only Encode uses it.
type entry struct {
	Secret               string                `json:"secret"`
	PreviousSecret       string                `json:"previousSecret,omitempty"`
	InputFolder          string                `json:"inputFolder,omitempty"`
	BackupFolder         string                `json:"backupFolder,omitempty"`
	OutputFolder         string                `json:"outputFolder,omitempty"`
	Provider             string                `json:"provider,omitempty"`
	CallbackURL          string                `json:"callbackUrl,omitempty"`
	VisibleSignatureInfo *VisibleSignatureInfo `json:"visibleSignatureInfo,omitempty"`
	SignatureInfo        *SignatureInfo        `json:"signatureInfo,omitempty"`
}

// Encode returns s as the content of a client-services file, ordered by id. The same client
// services give the same bytes. The content holds the secrets in the clear, so the file needs mode
// 0600. Encode returns an error if the content is larger than MaxFileBytes.
func Encode(s *Services) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("{")
	separator := "\n  "
	for c := range s.All() {
		out.WriteString(separator)
		if err := writeJSON(&out, c.ID); err != nil {
			return nil, fmt.Errorf("encode client services: %w", err)
		}
		out.WriteString(": ")
		err := writeJSON(&out, entry{
			Secret:               c.Secret.Reveal(),
			PreviousSecret:       c.PreviousSecret.Reveal(),
			InputFolder:          c.InputFolder,
			BackupFolder:         c.BackupFolder,
			OutputFolder:         c.OutputFolder,
			Provider:             c.Provider,
			CallbackURL:          c.CallbackURL,
			VisibleSignatureInfo: c.VisibleSignatureInfo,
			SignatureInfo:        c.SignatureInfo,
		})
		if err != nil {
			return nil, fmt.Errorf("encode client services: %w", err)
		}
		separator = ",\n  "
	}
	out.WriteString("\n}\n")
	if out.Len() > MaxFileBytes {
		return nil, fmt.Errorf("encode client services: %d bytes, but a file holds at most %d", out.Len(), MaxFileBytes)
	}
	return out.Bytes(), nil
}

// writeJSON appends v as people write JSON: indented below the first level, and with < and &
// unescaped.
func writeJSON(out *bytes.Buffer, v any) error {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("  ", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	out.WriteString(strings.TrimSuffix(b.String(), "\n"))
	return nil
}
