// The few words of the placing view, in the page's language.

import { language } from "./language.js"

const WORDS = {
  en: {
    label:
      "Placing view. Drag the object to move it. Corners, or the wheel after a click: size. " +
      "Round handle, or Shift and wheel: turn. Arrow keys: one pixel, with Shift ten. " +
      "Plus and minus: size. Square brackets: turn.",
    empty: "Run once to see the pictures",
    linked: "Linked, not to be set here:",
  },
  ja: {
    label:
      "配置ビュー。オブジェクトをドラッグ：移動。四隅、またはクリック後のホイール：大きさ。" +
      "丸いハンドル、または Shift とホイール：回転。矢印キー：1 ピクセル、Shift で 10。" +
      "+ と −：大きさ。角括弧：回転。",
    empty: "一度実行すると画像が表示されます",
    linked: "接続中のためここでは変更できません：",
  },
  ko: {
    label:
      "배치 보기. 오브젝트를 끌면 이동. 모서리 또는 클릭한 뒤 휠: 크기. " +
      "둥근 핸들 또는 Shift와 휠: 회전. 화살표 키: 1픽셀, Shift와 함께 10픽셀. " +
      "+와 −: 크기. 대괄호: 회전.",
    empty: "한 번 실행하면 이미지가 표시됩니다",
    linked: "연결되어 있어 여기서 바꿀 수 없음:",
  },
  zh: {
    label:
      "摆放视图。拖动物体：移动。四角，或单击后滚轮：大小。圆形手柄，或 Shift 加滚轮：旋转。" +
      "方向键：1 像素，按住 Shift 为 10 像素。加号和减号：大小。方括号：旋转。",
    empty: "运行一次后即可看到图像",
    linked: "已连线，不能在此设置：",
  },
}

export function words() {
  return WORDS[language()] ?? WORDS.en
}
