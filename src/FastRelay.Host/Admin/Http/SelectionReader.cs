using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace FastRelay.Host.Admin;

/// <summary>The body of a change: what it is about.</summary>
internal static class SelectionReader
{
    /// <summary>Reads it.</summary>
    /// <exception cref="AdminException">It is not one clear selection.</exception>
    /// <exception cref="JsonException">It is no such JSON.</exception>
    public static async Task<QueueSelection> ReadAsync(HttpContext context)
    {
        QueueSelection selection = await JsonSerializer.DeserializeAsync(context.Request.Body, AdminJson.Default.QueueSelection, context.RequestAborted)
            ?? throw new AdminException("null selects nothing");
        bool narrows = selection.Filter is { IsAll: false, Id: null };
        if ((selection.Filter is not null && !narrows)
            || (selection.Ids is not null ? 1 : 0) + (narrows ? 1 : 0) + (selection.All ? 1 : 0) != 1)
        {
            throw new AdminException("select by ids, or by a filter (sender, domain, site, tenant, state, olderSeconds), or say all");
        }
        selection.Filter?.Checked();
        if (selection.Filter?.OlderSeconds is < 0 or > int.MaxValue)
        {
            throw new AdminException($"olderSeconds must be 0 to {int.MaxValue}");
        }
        if (selection.Ids?.Count > QueueSelection.IdsMax)
        {
            throw new AdminException($"ids are at most {QueueSelection.IdsMax} in one request");
        }
        if (selection.From < 0 || selection.Slots < 1 || (selection.Ids is not null && (selection.From > 0 || selection.Slots is not null || selection.Before is not null)))
        {
            throw new AdminException("from is 0 or the next of the part before, slots 1 or more, and neither goes with ids, nor does before");
        }
        if (selection.Filter?.State is { } state)
        {
            QueueStates.Checked(state);
        }
        return selection;
    }
}
