"""What a release may add to busy tables while the one before it works."""

from pathlib import Path

from django.db import migrations, models

from pipelines.jobs import migrations as present

LAST = max(path.stem for path in Path(present.__file__).parent.glob("0*.py"))


class Migration(migrations.Migration):
    dependencies = [("jobs", LAST)]
    operations = [
        migrations.AddField("job", "region", models.CharField(max_length=16, null=True)),
    ]
