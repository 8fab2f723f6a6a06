package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"unsafe"

	"github.com/klauspost/compress/zstd"
	"github.com/tidwall/gjson"
)

// floor is the least that a lossless archive has to do with bytes that it already has: find the
// needed fields and compress each record. Processor seconds, of floor.Records records; one thread,
// nothing over a socket.
type floor struct {
	Records         int64   `json:"records"`
	RawBytes        int64   `json:"rawBytes"`
	CompressedBytes int64   `json:"compressedBytes"`
	ScanSeconds     float64 `json:"scanSeconds"`
	CompressSeconds float64 `json:"compressSeconds"`
}

// CPUSeconds is the floor as a whole.
func (f floor) CPUSeconds() float64 { return f.ScanSeconds + f.CompressSeconds }

// floorPages bounds the pages that are held in memory: 100,000 records.
const floorPages = 100

// measureFloor reads pages into memory, then scans and compresses them.
func measureFloor(ctx context.Context, j job) (outcome, error) {
	pages, err := readPages(ctx, j)
	if err != nil {
		return outcome{}, err
	}
	// As the pipeline's: fastest level, small window, no checksum, the first 32 KiB of records as a
	// dictionary. One thread here, so that the sum is the work.
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(1<<15, firstRecords(pages)),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(256<<10), zstd.WithEncoderCRC(false))
	if err != nil {
		return outcome{}, fmt.Errorf("make the compressor: %w", err)
	}
	var f floor
	var records [][]byte
	before := cpuSeconds()
	for _, page := range pages {
		records = scanPage(page, records)
	}
	f.ScanSeconds = cpuSeconds() - before
	before = cpuSeconds()
	var buffer []byte
	for _, record := range records {
		buffer = encoder.EncodeAll(record, buffer[:0])
		f.RawBytes += int64(len(record))
		f.CompressedBytes += int64(len(buffer))
	}
	f.CompressSeconds = cpuSeconds() - before
	f.Records = int64(len(records))
	if f.Records == 0 {
		return outcome{}, fmt.Errorf("read the tenant's pages: there is not one record")
	}
	return outcome{Records: f.Records, Floor: &f}, nil
}

// firstRecords are the bytes that a dictionary is made of.
func firstRecords(pages [][]byte) []byte {
	var sample []byte
	for _, record := range scanPage(pages[0], nil) {
		if sample = append(sample, record[:min(len(record), 8<<10)]...); len(sample) >= 32<<10 {
			return sample[:32<<10]
		}
	}
	return sample
}

// needed is what the archive has to know of a sign-in; found counts so that no compiler drops the
// work.
type needed struct{ found int }

// scanPage cuts a page into its records, appended to records, and finds the needed fields of each.
func scanPage(page []byte, records [][]byte) [][]byte {
	var n needed
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(page), len(page)))
	doc.Get("value").ForEach(func(_, record gjson.Result) bool {
		record.ForEach(n.property)
		if n.found > 0 {
			records = append(records, unsafe.Slice(unsafe.StringData(record.Raw), len(record.Raw)))
		}
		return true
	})
	return records
}

func (n *needed) property(name, value gjson.Result) bool {
	switch name.Str {
	case "id", "createdDateTime", "userId", "userPrincipalName", "appId", "appDisplayName", "servicePrincipalId",
		"servicePrincipalName", "resourceDisplayName", "ipAddress", "conditionalAccessStatus", "correlationId":
		n.found += len(value.Str)
	case "status":
		n.found += int(value.Get("errorCode").Num)
	}
	return true
}

// useIdentity points the SDK's managed identity at the simulated tenant, as the Functions host's
// environment does.
func useIdentity(j job) error {
	for name, value := range map[string]string{"IDENTITY_ENDPOINT": j.Identity, "IDENTITY_HEADER": j.Header} {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// readPages walks the interactive sign-ins with nothing but net/http.
func readPages(ctx context.Context, j job) ([][]byte, error) {
	token, err := fetchToken(ctx, j)
	if err != nil {
		return nil, err
	}
	var pages [][]byte
	for next := j.Graph + "/beta/auditLogs/signIns"; next != "" && len(pages) < floorPages; {
		page, err := get(ctx, next, "Authorization", "Bearer "+token)
		if err != nil {
			return nil, fmt.Errorf("read a page: %w", err)
		}
		pages = append(pages, page)
		next = gjson.GetBytes(page, `@odata\.nextLink`).String()
	}
	return pages, nil
}

func fetchToken(ctx context.Context, j job) (string, error) {
	query := url.Values{"api-version": {"2019-08-01"}, "resource": {"https://graph.microsoft.com"}}
	body, err := get(ctx, j.Identity+"?"+query.Encode(), "X-IDENTITY-HEADER", j.Header)
	if err != nil {
		return "", fmt.Errorf("fetch a token: %w", err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("fetch a token: the answer holds none: %.200s", body)
	}
	return answer.AccessToken, nil
}

func get(ctx context.Context, address, header, value string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set(header, value)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.300s", response.Status, body)
	}
	return body, nil
}
