package collections

import (
	"context"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
)

// Licences are the products that the tenant has licences of, with their names.
const Licences = "licences"

// Graph gives all of them in one page. Source: learn.microsoft.com/graph/api/subscribedsku-list.
func licences() *Collection {
	return &Collection{
		Word: Licences,
		Path: "/v1.0/subscribedSkus", Query: "$select=skuId,skuPartNumber", Uncounted: true,
		Permissions: []Permission{readLicences},
		AnyRefusal:  true, Optional: true, NoWait: true, Later: true, Partition: directory.ReadLicences,
		Consequence: "users have the ids of their licences, and no names",
		Keep: func(_ context.Context, page Objects) ([]Kept, error) {
			var rows []directory.Row
			for _, raw := range page.Items {
				id, name := gjson.GetBytes(raw, "skuId").String(), gjson.GetBytes(raw, "skuPartNumber").String()
				if id != "" && name != "" {
					rows = append(rows, directory.LicenceNamed(id, name))
				}
			}
			return []Kept{{directory.ReadLicences, rows}}, nil
		},
	}
}
