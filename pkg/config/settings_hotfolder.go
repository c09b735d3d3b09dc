package config

import "time"

func declareHotFolder(d *declaration, c *Config) {
	d.group = "Hot folder"
	h := &c.HotFolder
	d.add("hot.folder.enabled", "TRUE|FALSE", boolean{&h.Enabled},
		"TRUE also signs the files that appear in the input folders of client services.")
	d.add("einvoice-integration-client.hot.folder.documents.processing.threshold",
		"COUNT", number{&h.Threshold, 1, 10_000_000},
		"Number of complete files in an input folder that starts a run.")
	d.add("einvoice-integration-client.scheduler.task.processHotFoldersByDocumentThreshold.cron-expression",
		"CRON", cronExpression{&h.Cron},
		"When the files of input folders are counted: second, minute, hour, day, month, weekday, in the time zone of "+
			"the process.")
	triggers := choice[HotFolderTrigger]{&h.Trigger, []HotFolderTrigger{TriggerThreshold, TriggerImmediate}}
	d.add("hot.folder.trigger", triggers.form("", "|"), triggers,
		"threshold: runs start when the files are counted and there are enough. immediate: a run starts as soon as a "+
			"file is complete.")
	d.add("hot.folder.max-wait", "DURATION", duration{&h.MaxWait, 0, 30 * day},
		"With the trigger threshold, files also start a run when one of them has been complete for this time. 15m is a "+
			"good value. 0s: files below the threshold wait for ever, as in the original product.")
	layouts := choice[HotFolderLayout]{&h.Layout, []HotFolderLayout{LayoutRuns, LayoutFlat}}
	d.add("hot.folder.layout", layouts.form("", "|"), layouts,
		"runs: output and backup folders have a sub-folder for each run. flat: they have none. A file that exists is "+
			"never replaced; a number is put before the extension of the new one.")
	d.add("hot.folder.receipts", "TRUE|FALSE", boolean{&h.Receipts},
		"TRUE writes a file NAME.json beside each result: reference, status, level, digests of input and output, time "+
			"and error.")
	d.add("hot.folder.output.mode", "MODE", fileMode{&h.OutputMode},
		"Mode of output files, octal. Sub-folders get an x for each r. Consumers that delete outputs need w for their "+
			"group.")
	d.add("hot.folder.output.group", "GID", number{&h.OutputGroup, 0, 1<<31 - 2},
		"Number of the group of output files. 0: the group that the output folder gives.")
	d.add("hot.folder.stability", "DURATION", duration{&h.Stability, time.Millisecond, time.Hour},
		"How long size and time of a file must not change before it counts as complete. Files that arrive by a rename "+
			"are complete at once where that can be seen, and files that were closed after a second.")
	d.add("hot.folder.incomplete-after", "DURATION", duration{&h.IncompleteAfter, time.Second, 7 * day},
		"After this time a file fails that is empty, or that begins like a PDF or XML document and has no end.")
	d.add("hot.folder.done-suffix", "SUFFIX", suffix{&h.DoneSuffix},
		"A file is complete when a file with its name and this suffix exists, such as .done. The marker is removed.")
	d.add("hot.folder.ignore", "PATTERN,...", patterns{&h.Ignored},
		"Names of files that are never signed, with the wildcards * and ?.")
	declareObjectStorage(d, &h.Storage)
}

func declareObjectStorage(d *declaration, s *ObjectStorage) {
	d.add("hot.folder.storage.endpoint", "URL", text{&s.Endpoint},
		"Store of hot folders in buckets (s3://, gs://, azblob://), such as https://minio.example.com:9000. Not set: the "+
			"public endpoint of the provider.")
	d.add("hot.folder.storage.region", "REGION", text{&s.Region},
		"Region of S3 buckets. Not set: AWS_REGION, or us-east-1 with an endpoint.")
	d.add("hot.folder.storage.path-style", "TRUE|FALSE", boolean{&s.PathStyle},
		"TRUE puts the name of an S3 bucket into the path instead of the host name. Most stores with an endpoint of their "+
			"own need it.")
	d.add("hot.folder.storage.ca-file", "FILE", text{&s.CAFile},
		"PEM bundle of authorities for the store, instead of --outbound.ca-file.")
	d.add("hot.folder.storage.credentials-file", "FILE", text{&s.CredentialsFile},
		"Credentials for buckets. S3: the form of ~/.aws/credentials. GCS: JSON of a service account. Azure: a connection "+
			"string. Not set: variables of the environment, or the workload identity.")
	d.add("hot.folder.storage.direct", "TRUE|FALSE", boolean{&s.Direct},
		"TRUE calls the store without the HTTP proxy of other outgoing calls.")
}
