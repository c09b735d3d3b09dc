package clients_test

import (
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/clientservice"
)

// TestHotFolders checks that the folders of a Secret, and the settings of its files, reach the
// instances as they are.
func TestHotFolders(t *testing.T) {
	w := newWorld(t)
	w.secret("folders", data{"clientId": "A", "secret": "sa", "config": `{"inputFolder": "/a/in/",
		"outputFolder": "/a/out", "backupFolder": "/a/backup", "callbackUrl": "https://erp.example.org/done",
		"signatureInfo": {"signatureType": "CAdES", "packaging": "DETACHED"}}`})
	w.secret("bucket", data{"clientId": "B", "secret": "sb", "config": `{"inputFolder": "s3://invoices/b/in",
		"outputFolder": "s3://invoices/b/out", "backupFolder": "s3://invoices/b/backup"}`})
	file := w.want(data{"A": "sa", "B": "sb"}).Data[clientservice.FileName]
	services, err := clientservice.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	a, b := services.Lookup("A"), services.Lookup("B")
	if a.InputFolder != "/a/in" || a.OutputFolder != "/a/out" || a.BackupFolder != "/a/backup" ||
		a.CallbackURL != "https://erp.example.org/done" || a.SignatureInfo.Packaging != "DETACHED" {
		t.Errorf("A is %+v with %+v", a, a.SignatureInfo)
	}
	if b.InputFolder != "s3://invoices/b/in" || b.OutputFolder != "s3://invoices/b/out" ||
		b.BackupFolder != "s3://invoices/b/backup" {
		t.Errorf("B is %+v", b)
	}
}
