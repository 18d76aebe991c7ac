using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using FastRelay.Config;

namespace FastRelay.Tests.Config;

public sealed class LimitTableTests
{
    private static PropertyInfo[] Settable() =>
        [.. typeof(Limits).GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(p => p.SetMethod is not null)];

    private static string Key(string property)
    {
        string name = Regex.Replace(property, "(Ms|Seconds)$", "");
        var key = new StringBuilder();
        foreach (char c in name)
        {
            if (char.IsUpper(c) && key.Length > 0)
            {
                key.Append('_');
            }
            key.Append(char.ToLowerInvariant(c));
        }
        return key.ToString();
    }

    [Fact]
    public void Every_settable_limit_has_one_row_with_its_name_and_unit()
    {
        Assert.Equal(Settable().Select(p => Key(p.Name)), LimitTable.Rows.Select(r => r.Key));
        foreach (PropertyInfo property in Settable())
        {
            LimitRow row = LimitTable.Find(Key(property.Name))!;
            LimitUnit unit = property.Name switch
            {
                _ when property.Name.EndsWith("Ms", StringComparison.Ordinal) => LimitUnit.Milliseconds,
                _ when property.Name.EndsWith("Seconds", StringComparison.Ordinal) => LimitUnit.Seconds,
                _ when property.Name.Contains("Bytes", StringComparison.Ordinal) => LimitUnit.Bytes,
                _ => LimitUnit.Count,
            };
            Assert.Equal(unit, row.Unit);
        }
    }

    [Fact]
    public void A_row_reads_and_writes_its_own_property_and_no_other()
    {
        foreach (PropertyInfo property in Settable())
        {
            LimitRow row = LimitTable.Find(Key(property.Name))!;
            long old = Convert.ToInt64(property.GetValue(new Limits()));
            Assert.Equal(old, row.Get(new Limits()));
            Limits changed = row.Set(new Limits(), old + 1);
            Assert.Equal(old + 1, Convert.ToInt64(property.GetValue(changed)));
            Assert.Equal(new Limits(), row.Set(changed, old));
        }
    }

    [Fact]
    public void Bounds_hold_the_default_and_fit_the_property()
    {
        foreach (PropertyInfo property in Settable())
        {
            LimitRow row = LimitTable.Find(Key(property.Name))!;
            Assert.InRange(row.Get(new Limits()), row.Min, row.Max);
            Assert.True(property.PropertyType == typeof(long) || row.Max <= int.MaxValue, row.Key);
        }
    }

    [Fact]
    public void LIMITS_md_names_every_limit_with_its_default_and_every_constant()
    {
        string text = File.ReadAllText(Path.Combine(Root(), "docs", "LIMITS.md"));
        foreach (LimitRow row in LimitTable.Rows)
        {
            string value = row.Format(row.Get(new Limits()));
            Assert.Matches($@"(?m)^\| `{row.Key}` \| {Regex.Escape(value)} \|", text);
        }
        foreach (FieldInfo constant in typeof(Limits).GetFields(BindingFlags.Public | BindingFlags.Static).Where(f => f.IsLiteral))
        {
            string value = ConfigText.FormatSize(Convert.ToInt64(constant.GetRawConstantValue()));
            Assert.Matches($@"(?m)^\| `{constant.Name}` \| {Regex.Escape(value)} \|", text);
        }
    }

    [Fact]
    public void The_memory_estimate_grows_with_every_limit_that_holds_memory()
    {
        var config = RelayConfig.Default("host", "/");
        // Past 256 recipients whose addresses fill the line an envelope is at its own bound.
        config = config with { Limits = config.Limits with { Recipients = 10 } };
        long before = MemoryEstimate.Total(config);
        foreach (string key in (string[])["receive_sessions", "recipients", "command_line_bytes", "queue_entries", "send_sessions", "dns_cache_bytes", "dns_queries", "bounces_waiting"])
        {
            LimitRow row = LimitTable.Find(key)!;
            long after = MemoryEstimate.Total(config with { Limits = row.Set(config.Limits, row.Get(config.Limits) + 100) });
            Assert.True(after > before, key);
        }
        Assert.Equal(before, MemoryEstimate.Parts(config).Sum(p => p.Count * p.EachBytes));
        RelayConfig most = config with { Limits = config.Limits with { Recipients = 100_000 } };
        Assert.Contains(MemoryEstimate.Parts(most), p => p.EachBytes == Limits.EnvelopeBytes + (64 * 100_000) && p.Count == most.Limits.ReceiveSessions);
    }

    internal static string Root([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", ".."));
}
