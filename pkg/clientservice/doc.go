// Package clientservice is the contract between the programs about who may call the proxy:
// client-services-config.json, its types, its strict codec and the watcher that keeps the last good
// version in force.
//
// The file is a JSON object keyed by client service id:
//
//	{
//	  "PRT.505767457-PRT.123654123-84dd8c": {
//	    "secret": "…",
//	    "inputFolder": "/in", "backupFolder": "/backup", "outputFolder": "/out"
//	  }
//	}
//
// Optional for a client service: previousSecret (accepted beside secret, so that a secret can be
// rotated without a gap), provider (which credential signs for it), visibleSignatureInfo and
// signatureInfo (for files of the hot folder; same fields as the API).
//
// The proxy reads the file (Watcher); a person, or the Kubernetes controller, writes it (Encode).
// Whatever Encode returns, Decode accepts.
package clientservice
