using Xunit.Abstractions;

namespace FastRelay.Storm.Tests;

/// <summary>A storm that notices nothing proves nothing.</summary>
public class MutantTests(ITestOutputHelper output)
{
    [Fact]
    public void Every_defect_is_noticed_within_200_seeds()
    {
        string root = MutantBuild.Root();
        IReadOnlyList<Defect> defects = Defect.All(root);
        Assert.True(defects.Count >= 12);
        var found = new List<string>();
        MutantBuild.Run(found.Add, "dotnet", root, MutantBuild.Make(root, defects), "mutants");
        output.WriteLine(string.Join('\n', found));
        Assert.All(defects, defect => Assert.Contains(found, line => line.StartsWith($"caught {defect.Name} ", StringComparison.Ordinal)));
    }
}
