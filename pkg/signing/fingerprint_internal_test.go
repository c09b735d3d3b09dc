package signing

import (
	"encoding/hex"
	"testing"
)

// TestFingerprint holds the fingerprint of a request with every field. The value must never change,
// because a request that is repeated after an upgrade is compared with the fingerprint that an
// earlier release stored; a difference is answered with KindKeyReused.
func TestFingerprint(t *testing.T) {
	image := &Content{File: "image", Size: 7, SHA256: [32]byte{1}}
	sub := Submission{
		Request: Request{
			ExternalReference: "invoice-1",
			Description:       "November",
			ReturnContent:     true,
			Preservation:      `{"years":10}`,
			Callback:          "https://erp.example/signed",
			Documents: []DocumentRequest{{
				ExternalReference: "document-1",
				Name:              "invoice.pdf",
				ContentType:       "application/pdf",
				Signature: SignatureInfo{
					Type: PAdES, Level: LevelT, Reason: "approved", Location: "Lisbon",
					Visible: &VisibleSignature{
						LocationType: "COORDINATE", LocationValue: "1,10,10", Area: "100,50", AreaBackgroundColor: "#ffffff",
						Font: "Helvetica", TemplateType: "ONE_OFF", OneOffTemplate: "$name", ImageType: "IMAGE_PNG", Image: image,
					},
					Advanced: &AdvancedSignature{
						SignatureLocation: "Info", SignatureTransform: "XPATH", CanonicalTransform: "EXCLUSIVE",
					},
				},
			}},
		},
		Contents: []Content{{File: "0", Size: 5, SHA256: [32]byte{2}}},
	}
	const want = "1b726a8376ef8593c635a57d5f2449c4600907b5bc4ad8472e7b1e86c80f7bfd"
	if got := fingerprint(sub); hex.EncodeToString(got[:]) != want {
		t.Errorf("fingerprint = %x, want %s", got, want)
	}
	sub.Contents[0].File, image.File = "other", "other"
	if got := fingerprint(sub); hex.EncodeToString(got[:]) != want {
		t.Errorf("fingerprint with other file names = %x, want %s", got, want)
	}
}
