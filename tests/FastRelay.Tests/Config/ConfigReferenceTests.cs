using FastRelay.Config;
using FastRelay.Host.Commands;
using FastRelay.Tests.Tidy;

namespace FastRelay.Tests.Config;

public sealed class ConfigReferenceTests
{
    private static string Full => EffectiveConfig.Write(RelayConfig.Default("relay.example.net", "/"));

    [Fact]
    public void The_page_is_what_the_code_says()
    {
        using var output = new StringWriter();
        Assert.Equal(ExitCode.Ok, CommandLine.Run(["check", "--reference"], output, TextWriter.Null));
        // After a change of a key: fastrelay check --reference > docs/CONFIG.md
        Assert.Equal(File.ReadAllText(Path.Combine(House.Root, "docs/CONFIG.md")), output.ToString());
    }

    [Fact]
    public void Every_key_that_is_looked_for_has_a_type_and_every_key_a_meaning()
    {
        // Tables are looked for too.
        string[] tables = [.. ConfigReference.Keys().Select(key => key.Table).Distinct()];
        Assert.Empty(ConfigReader.Record().Untyped.Except(tables));
        Assert.Empty(ConfigReference.Keys().Where(key => key.Table != "limits").Select(key => key.Full).Except(KeyTexts.All.Keys));
        Assert.Empty(KeyTexts.All.Keys.Except(ConfigReference.Keys().Select(key => key.Full)));
        Assert.Equal(LimitTable.Rows.Select(row => row.Key), LimitTexts.All.Keys);
        Assert.Equal(LimitTable.Rows.Select(row => row.Key), ConfigReference.Keys().Where(key => key.Table == "limits").Select(key => key.Name));
    }

    [Theory]
    [InlineData("number")]
    [InlineData("duration")]
    [InlineData("true or false")]
    [InlineData("one of")]
    [InlineData("text")]
    [InlineData("path")]
    [InlineData("list")]
    [InlineData("size")]
    public void A_value_of_another_type_is_an_error_at_each_key_of_the_type(string type)
    {
        ConfigKey[] keys = [.. ConfigReference.Keys().Where(key => key.Type == type)];
        Assert.NotEmpty(keys);
        foreach (ConfigKey key in keys)
        {
            string head = key.Table.Length == 0 ? "" : key.IsList ? $"[[{key.Table}]]\n" : $"[{key.Table}]\n";
            string wrong = type is "text" or "path" ? "7" : type == "true or false" ? "\"true\"" : "true";
            ConfigResult read = ConfigReader.Read($"{head}{key.Name} = {wrong}\n", "x", "/", "host", static _ => null, static (_, _) => []);
            Assert.Contains(read.Errors, error => (error.Key == key.Full || error.Key == key.Name) && error.Message.Contains("must be", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void A_default_is_what_is_in_force_without_the_key()
    {
        Dictionary<string, string> inForce = new(StringComparer.Ordinal);
        string table = "";
        foreach (string line in Full.Split('\n'))
        {
            table = line.StartsWith('[') ? line.Trim('[', ']') : table;
            if (line.Contains(" = ", StringComparison.Ordinal) && line[0] != '#')
            {
                string[] parts = line.Split(" = ", 2);
                inForce[(table.Length == 0 ? "" : table + ".") + parts[0]] = parts[1];
            }
        }
        int compared = 0;
        foreach ((string key, (string usual, _)) in KeyTexts.All)
        {
            // What the file cannot say is in words; paths and names are those of this host.
            bool written = usual[0] is '"' or '[' || char.IsAsciiDigit(usual[0]) || usual is "true" or "false";
            if (written && inForce.TryGetValue(key, out string? value) && key is not "spool" && !usual.Contains(' ', StringComparison.Ordinal))
            {
                Assert.Equal((key, usual), (key, value));
                compared++;
            }
        }
        Assert.True(compared >= 10, $"{compared} defaults were compared");
    }

    [Fact]
    public void A_key_of_Postfix_is_told_where_it_stands_here_and_that_is_a_key()
    {
        foreach ((string name, string ours) in Suggestion.Postfix)
        {
            ConfigError error = Assert.Single(ConfigReader.Read($"{name} = \"x\"\n", "f", "/", "h.test", static _ => null).Errors);
            Assert.Equal($"f:1: {name}: unknown key; what Postfix calls so is {ours}", error.ToString());
            string[] words = ours.Split(' ', ',');
            string table = ours.EndsWith(" at the top", StringComparison.Ordinal) ? "" : words[2].Trim('[', ']');
            Assert.Contains(ConfigReference.Keys(), key => key.Table == table && key.Name == words[0] && key.IsList == ours.Contains("[[", StringComparison.Ordinal));
        }
    }
}
