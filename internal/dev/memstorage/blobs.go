package memstorage

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// blob is a block blob that was put whole.
type blob struct {
	content     []byte
	contentType string
	stamp       time.Time
}

func (b blob) etag() string {
	return `"0x` + strings.ToUpper(strconv.FormatInt(b.stamp.UnixNano(), 16)) + `"`
}

func (b blob) header() http.Header {
	return http.Header{"Etag": {b.etag()}, "Last-Modified": {b.stamp.Format(http.TimeFormat)}}
}

// executeBlob carries out a request to the blob service: containers are made; blobs are put, read
// and listed. The caller holds the lock.
func (s *Service) executeBlob(r *Request) Answer {
	container, name, _ := strings.Cut(r.path, "/")
	inContainer := r.query.Get("restype") == "container"
	switch {
	case inContainer && r.method == http.MethodPut:
		if s.state.containers[container] {
			return blobFault(http.StatusConflict, "ContainerAlreadyExists", "The specified container already exists.")
		}
		s.state.containers[container] = true
		return Answer{Status: http.StatusCreated}
	case !s.state.containers[container]:
		return blobFault(http.StatusNotFound, "ContainerNotFound", "The specified container does not exist.")
	case inContainer && r.method == http.MethodGet && r.query.Get("comp") == "list":
		return s.listBlobs(r, container)
	case r.method == http.MethodPut && name != "":
		return s.putBlob(r, container+"/"+name)
	case r.method == http.MethodGet || r.method == http.MethodHead:
		b, ok := s.state.blobs[container+"/"+name]
		if !ok {
			return blobFault(http.StatusNotFound, "BlobNotFound", "The specified blob does not exist.")
		}
		header := b.header()
		header.Set("Content-Type", b.contentType)
		header.Set("X-Ms-Blob-Type", "BlockBlob")
		return Answer{Status: http.StatusOK, Header: header, Body: b.content}
	}
	return blobFault(http.StatusMethodNotAllowed, "UnsupportedHttpVerb", "The resource doesn't support the HTTP verb.")
}

func (s *Service) putBlob(r *Request, path string) Answer {
	b, exists := s.state.blobs[path]
	match, none := r.header.Get("If-Match"), r.header.Get("If-None-Match")
	switch {
	case none == "*" && exists:
		return blobFault(http.StatusConflict, "BlobAlreadyExists", "The specified blob already exists.")
	case match != "" && (!exists || match != "*" && match != b.etag()):
		return blobFault(http.StatusPreconditionFailed, "ConditionNotMet", "The condition of a header is not met.")
	case r.header.Get("X-Ms-Blob-Type") != "BlockBlob" &&
		!slices.Contains(rawHeader(r.header, "x-ms-blob-type"), "BlockBlob"):
		return blobFault(http.StatusBadRequest, "MissingRequiredHeader", "A mandatory HTTP header is not specified.")
	}
	put := blob{content: slices.Clone(r.body), contentType: blobType(r.header), stamp: s.nextStamp()}
	s.state.blobs[path] = put
	return Answer{Status: http.StatusCreated, Header: put.header()}
}

// blobType finds the blob's content type: the client writes the header's name as it is documented,
// in small letters.
func blobType(h http.Header) string {
	for _, name := range []string{"x-ms-blob-content-type", "X-Ms-Blob-Content-Type"} {
		if v := h[name]; len(v) > 0 {
			return v[0]
		}
	}
	return "application/octet-stream"
}

type blobList struct {
	XMLName    xml.Name   `xml:"EnumerationResults"`
	Container  string     `xml:"ContainerName,attr"`
	Blobs      []blobItem `xml:"Blobs>Blob"`
	NextMarker string
}

type blobItem struct {
	Name       string
	Properties struct {
		LastModified  string `xml:"Last-Modified"`
		Etag          string
		ContentLength int    `xml:"Content-Length"`
		ContentType   string `xml:"Content-Type"`
		BlobType      string
	}
}

func (s *Service) listBlobs(r *Request, container string) Answer {
	limit := 5000
	if s.Limits.PageEntities > 0 {
		limit = s.Limits.PageEntities
	}
	list := blobList{Container: container}
	prefix, marker := container+"/"+r.query.Get("prefix"), decodePlace(r.query.Get("marker"))
	for _, path := range slices.Sorted(maps.Keys(s.state.blobs)) {
		if !strings.HasPrefix(path, prefix) || path < marker {
			continue
		}
		if len(list.Blobs) == limit {
			list.NextMarker = encodePlace(path)
			break
		}
		b := s.state.blobs[path]
		item := blobItem{Name: strings.TrimPrefix(path, container+"/")}
		item.Properties.LastModified = b.stamp.Format(http.TimeFormat)
		item.Properties.Etag = strings.Trim(b.etag(), `"`)
		item.Properties.ContentLength = len(b.content)
		item.Properties.ContentType, item.Properties.BlobType = b.contentType, "BlockBlob"
		list.Blobs = append(list.Blobs, item)
	}
	body, _ := xml.Marshal(list) // it is made of texts and numbers
	header := http.Header{"Content-Type": {"application/xml"}}
	return Answer{Status: http.StatusOK, Header: header, Body: append([]byte(xml.Header), body...)}
}

// blobFault is a refusal of the blob service, which names its code in a header too.
func blobFault(status int, code, message string) Answer {
	body := xml.Header + "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"
	header := http.Header{"X-Ms-Error-Code": {code}, "Content-Type": {"application/xml"}}
	return Answer{Status: status, Header: header, Body: []byte(body)}
}

// rawHeader is a header that the SDK set by a name that is not canonical.
func rawHeader(h http.Header, name string) []string { return h[name] }
