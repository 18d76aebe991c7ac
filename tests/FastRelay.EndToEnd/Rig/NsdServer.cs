using System.Diagnostics;
using System.Net;

namespace FastRelay.EndToEnd.Rig;

/// <summary>
/// A real authoritative name server (nsd) on loopback with zones of the test's. A zone given as null is configured
/// without data, which nsd answers with SERVFAIL; a name outside all zones is REFUSED.
/// </summary>
public sealed class NsdServer : IDisposable
{
    private readonly string _folder = Place.NewFolder("nsd");
    private readonly Process _process;
    private int _serial = 1;
    private bool _disposed;

    public NsdServer(params (string Zone, string? Records)[] zones)
    {
        Port = Place.FreePort();
        var config = new List<string>
        {
            "server:",
            $"  ip-address: 127.0.0.1@{Port}",
            "  do-ip6: no",
            "  server-count: 1",
            "  username: \"\"",
            $"  zonesdir: \"{_folder}\"",
            "  zonelistfile: \"\"",
            "  database: \"\"",
            $"  pidfile: \"{_folder}/nsd.pid\"",
            $"  xfrdfile: \"{_folder}/xfrd.state\"",
            $"  xfrdir: \"{_folder}\"",
            "  rrl-ratelimit: 0",
            "  rrl-whitelist-ratelimit: 0",
            "  verbosity: 1",
            "remote-control:",
            "  control-enable: no",
        };
        foreach ((string zone, string? records) in zones)
        {
            config.AddRange(["zone:", $"  name: \"{zone}\"", $"  zonefile: \"{zone}.zone\""]);
            if (records is not null)
            {
                Write(zone, records);
            }
        }
        File.WriteAllLines(Path.Combine(_folder, "nsd.conf"), config);
        _process = Tool.Start(Needs.Program("nsd"), ["-d", "-c", Path.Combine(_folder, "nsd.conf")], _folder);
        Task<string> error = _process.StandardError.ReadToEndAsync();
        Task<string> output = _process.StandardOutput.ReadToEndAsync();
        string first = zones.First(z => z.Records is not null).Zone;
        Tool.Until(() => _process.HasExited || Answers(first), 20, () => "nsd does not answer");
        Assert.False(_process.HasExited, _process.HasExited ? $"nsd stopped: {error.Result}{output.Result}" : "");
    }

    public int Port { get; }

    /// <summary>Gives a zone other records, and a new serial; nsd reads it again by itself soon after.</summary>
    public void Change(string zone, string records)
    {
        _serial++;
        Write(zone, records);
        Tool.Run("kill", ["-HUP", File.ReadAllText(Path.Combine(_folder, "nsd.pid")).Trim()]).Ok();
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }
        _disposed = true;
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Write(string zone, string records) =>
        File.WriteAllText(Path.Combine(_folder, $"{zone}.zone"),
            $"$ORIGIN {zone}.\n$TTL 300\n@ IN SOA ns.{zone}. root.{zone}. {_serial} 3600 600 86400 5\n@ IN NS ns.{zone}.\nns IN A 127.0.0.1\n{records}\n");

    private bool Answers(string zone)
    {
        var client = new DnsClient.LookupClient(new DnsClient.LookupClientOptions(new IPEndPoint(IPAddress.Loopback, Port))
        {
            UseCache = false,
            Timeout = TimeSpan.FromMilliseconds(500),
            Retries = 0,
            ThrowDnsErrors = false,
        });
        try
        {
            return client.Query(zone, DnsClient.QueryType.SOA).Answers.Count > 0;
        }
        catch (DnsClient.DnsResponseException)
        {
            return false;
        }
    }
}
