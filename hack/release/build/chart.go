package build

import (
	"path/filepath"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/signstash-proxy/signstash-proxy/hack/release/chart"
	"github.com/signstash-proxy/signstash-proxy/hack/release/oci"
	"github.com/signstash-proxy/signstash-proxy/hack/release/statement"
)

// addChart packages the chart with the images of this release, as a file and as an OCI artifact.
func (r *release) addChart() error {
	v := r.source.Version
	r.Log("package the chart %s:%s", ChartRepository, v)
	images := chart.Images{
		Proxy: chart.Image{Repository: r.imageName(ProxyRepository), Digest: r.digest(ProxyRepository)},
		Trial: chart.Image{Repository: r.imageName(TrialRepository), Digest: r.digest(TrialRepository)},
	}
	packed, err := chart.Package(filepath.Join(r.Top, "charts", "signstash-proxy"), v, images, r.source.At)
	if err != nil {
		return err
	}
	d, err := packed.Add(r.layouts[ChartRepository], r.source.At)
	if err != nil {
		return err
	}
	bom, err := statement.ImagesSBOM(
		statement.OCIComponent(cdx.ComponentTypeApplication, ChartRepository, v, d.Digest),
		[]cdx.Component{
			statement.OCIComponent(cdx.ComponentTypeContainer, ProxyRepository, v, images.Proxy.Digest),
			statement.OCIComponent(cdx.ComponentTypeContainer, TrialRepository, v, images.Trial.Digest),
		}, r.source.At)
	if err != nil {
		return err
	}
	sbom, err := statement.Encode(bom)
	if err != nil {
		return err
	}
	r.parts = append(r.parts, artifact{repository: ChartRepository, digest: d.Digest, sbom: sbom})
	return r.addFile("signstash-proxy-"+v+".tgz", packed.Archive)
}

// addFile writes a file to download, and makes it a subject of the provenance.
func (r *release) addFile(name string, content []byte) error {
	r.files = append(r.files, statement.NewSubject(name, oci.Digest(content)))
	return r.write(name, content)
}
