package simtenant

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzip"
)

// problem is an error as Graph answers it.
type problem struct {
	status        int
	code, message string
}

func (t *Tenant) refuse(w http.ResponseWriter, p *problem) {
	type inner struct {
		Date            string `json:"date"`
		RequestID       string `json:"request-id"`
		ClientRequestID string `json:"client-request-id"`
	}
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Inner   inner  `json:"innerError"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message = p.code, p.message
	body.Error.Inner = inner{t.Now().Format("2006-01-02T15:04:05"), w.Header().Get("request-id"),
		w.Header().Get("client-request-id")}
	text, err := json.Marshal(body)
	if err != nil {
		text = []byte(`{"error":{"code":"UnknownError","message":""}}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_, _ = w.Write(text) // a caller that went away needs no answer
}

// setHeaders sets what Graph sends with every answer. The Date is the tenant's, not the machine's.
func (t *Tenant) setHeaders(w http.ResponseWriter, r *http.Request) {
	id := uuid.NewString()
	client := r.Header.Get("client-request-id")
	if client == "" {
		client = id
	}
	h := w.Header()
	h.Set("request-id", id)
	h.Set("client-request-id", client)
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("x-ms-ags-diagnostic",
		`{"ServerInfo":{"DataCenter":"West Europe","Slice":"E","Ring":"5","ScaleUnit":"006",`+
			`"RoleInstance":"AM1PEPF000201"}}`)
	h.Set("Date", t.Now().Add(t.skew()).Format(http.TimeFormat))
}

const jsonType = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"

// send writes a body, compressed if the caller accepts it.
func (t *Tenant) send(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Type", jsonType)
	if t.cfg.NoGzip || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(body) // a caller that went away needs no answer
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	zip := zippers.Get().(*gzip.Writer)
	zip.Reset(w)
	_, _ = zip.Write(body) // a caller that went away needs no answer
	_ = zip.Close()
	zippers.Put(zip)
}

// zippers are *gzip.Writer, each of which uses more memory than most answers.
var zippers = sync.Pool{New: func() any {
	zip, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the library
	}
	return zip
}}
